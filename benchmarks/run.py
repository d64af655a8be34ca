"""Time the engine side by side with its peers and with the machine's own limits.

``README.md`` in this folder says what is measured, and what is not.
"""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import figure, report
from benchmarks.plan import PARTS, Case, Plan
from benchmarks.results import Measurement, Results
from benchmarks.timing import take_turns
from microcircuit import provenance
from microcircuit.devices import COMPILER_FLAGS, compiler

OUTPUT = Path(__file__).with_name("results")
WORKERS = 2
"""Programs compiled at a time; each compiler may itself use several cores."""


def main() -> int:
    options = arguments()
    file = options.output / "bench.json"
    if not options.redraw:
        options.output.mkdir(parents=True, exist_ok=True)
        measure_all(options).save(file)
    results = Results.load(file)
    (options.output / "bench.md").write_text(report.document(results), encoding="utf-8")
    figure.draw(results, options.output / "bench.png")
    print(report.document(results))
    return 1 if set(results.missing) - {"nest"} else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--repeats", type=int, help="rounds of measurements (7; 2 if quick)")
    parser.add_argument("--quick", action="store_true", help="a few sizes, in a minute or two")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS)
    )
    parser.add_argument("--nest-python", help="an interpreter that has NEST, if not this one")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the results")
    parser.add_argument("--redraw", action="store_true", help="write table and figure once more")
    options = parser.parse_args()
    if options.repeats is None:
        options.repeats = 2 if options.quick else 7
    return options


def measure_all(options: argparse.Namespace) -> Results:
    """Compile everything, find out how much to measure, and measure in turns."""
    budget = 0.1 if options.quick else 0.25
    plan = Plan(
        set(options.parts), quick=options.quick, budget=budget, nest_python=options.nest_python
    )
    missing = dict(plan.missing)
    machine = provenance.collect(compiler=compiler(), flags=COMPILER_FLAGS, device="cpp")
    with progress_bar() as bar:
        cases = each(bar, "compiling", plan.cases, lambda c: c.prepare(), missing, WORKERS)
        cases = each(bar, "calibrating", cases, lambda c: c.calibrate(), missing)
        task = bar.add_task("measuring", total=options.repeats * len(cases), label="")
        seconds = take_turns(
            {case.label: case.measure for case in cases},
            options.repeats,
            lambda label: bar.update(task, advance=1, label=label),
        )
    return Results(
        machine=machine,
        settings={"rounds": options.repeats, "budget": budget},
        measurements=[
            Measurement(case.kind, case.about, seconds[case.label], case.details) for case in cases
        ],
        missing=missing,
    )


def each(
    bar: Progress,
    title: str,
    cases: list[Case],
    work: Callable[[Case], object],
    missing: dict[str, str],
    workers: int = 1,
) -> list[Case]:
    """Do something with each case; return those with which it succeeds, note why others fail."""
    task = bar.add_task(title, total=len(cases), label="")

    def attempt(case: Case) -> bool:
        bar.update(task, label=case.label)
        try:
            work(case)
        except Exception as error:  # one program that fails should not cost the others' results
            missing[case.label] = f"{type(error).__name__}: {error}"[-1000:]
            return False
        finally:
            bar.advance(task)
        return True

    with ThreadPoolExecutor(workers) as pool:
        return [case for case, good in zip(cases, pool.map(attempt, cases), strict=True) if good]


def progress_bar() -> Progress:
    return Progress(
        TextColumn("{task.description:>11}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[label]}"),
        console=Console(stderr=True),
    )


if __name__ == "__main__":
    sys.exit(main())
