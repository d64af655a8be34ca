"""Time the engine against stock Brian2, side by side, in CPU seconds per simulated second.

The circuit is the one of the regression task (Sacramento et al. 2018, Fig 2), 30-50-10, all weights
plastic, dt 0.1 ms, on C++. Both programs are compiled with the same flags and shown the same
patterns. ``README.md`` in this folder says what is measured, and what is not.
"""

import argparse
import resource
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from brian2 import ms
from rich.console import Console
from rich.table import Table

from microcircuit import provenance
from microcircuit.circuit import Circuit
from microcircuit.device import COMPILER_FLAGS, Chunk, CppProgram, compiler
from microcircuit.models.sacramento2018 import Sacramento2018, build_circuit, draw_weights
from microcircuit.network import Structure
from microcircuit.reference import ReferenceProgram
from microcircuit.schedule import Presentations
from microcircuit.state import initial_state, parameter_values

MODEL = Sacramento2018(
    areas=(30, 50, 10),
    sigma=0.3 * ms**-0.5,
    eta_bottom_up=(1.1875e-3 / ms, 5e-4 / ms),
    eta_to_interneuron=(1.1875e-3 / ms,),
    eta_from_interneuron=(5.9375e-3 / ms,),
    # The task holds these fixed; here all weights are plastic, so they cost what they can cost.
    eta_top_down=(5e-4 / ms,),
)
PRESENTATIONS, STEPS = 128, 1000
SIMULATED = PRESENTATIONS * STEPS * float(MODEL.dt)
"""Seconds in a measurement."""
TARGET = 0.06
"""CPU seconds per simulated second that the engine may take at most."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9, help="measurements of each program")
    repeats = parser.parse_args().repeats

    table = Table("", "engine", "stock Brian2", "stock/engine")
    engine, differences = [], []
    for label, circuit in (("with noise", noisy()), ("no noise", silent(noisy()))):
        times, difference = measure(circuit, repeats)
        ours, stock = times.T
        table.add_row(label, spread(ours, 3), spread(stock, 3), spread(stock / ours, 1))
        differences.append(difference)
        engine.append(np.median(ours))
    console = Console()
    describe_machine(console)
    console.print(table)
    console.print(
        f"CPU seconds per simulated second: median (smallest-largest) of {repeats} pairs.\n"
        f"Largest relative difference between their results: {max(differences):.0e}."
    )
    verdict = "met" if max(engine) <= TARGET else "missed"
    console.print(f"Target for the engine, at most {TARGET}: {verdict}.")


def noisy() -> Circuit:
    return build_circuit(MODEL, draw_weights(MODEL, seed=1))


def silent(circuit: Circuit) -> Circuit:
    """Remove the noise term: with a sigma of zero it would still be computed."""
    populations = tuple(
        replace(
            p,
            equations=p.equations.replace(" + sigma*xi", ""),
            parameters={k: v for k, v in p.parameters.items() if k != "sigma"},
        )
        for p in circuit.populations
    )
    return replace(circuit, populations=populations)


def measure(circuit: Circuit, repeats: int) -> tuple[np.ndarray, float]:
    """Return CPU seconds per simulated second, [repeat, (engine, stock)], and how results differ.

    The two take turns, so that whatever else the machine does meets both.
    """
    structure = Structure(
        circuit=circuit,
        inputs=("input.pattern", "output.v_target", "output.g_teacher"),
        records=(),
        longest=STEPS,
        capacity=PRESENTATIONS,
    )
    programs = CppProgram(structure), ReferenceProgram(structure, CppProgram)
    arguments = initial_state(circuit), parameter_values(structure, circuit, 0), patterns(), 0
    ends = [program.run(*arguments) for program in programs]  # and a warm-up
    times = [[cpu_seconds(lambda: p.run(*arguments)) for p in programs] for _ in range(repeats)]  # noqa: B023
    return np.array(times) / SIMULATED, largest_difference(*ends)


def patterns() -> Presentations:
    rng = np.random.default_rng(1)
    return Presentations(
        steps=np.full(PRESENTATIONS, STEPS),
        inputs={
            "input.pattern": rng.uniform(-1, 1, (PRESENTATIONS, MODEL.areas[0])),
            "output.v_target": rng.uniform(-1, 1, (PRESENTATIONS, MODEL.areas[-1])),
            "output.g_teacher": np.full(PRESENTATIONS, float(MODEL.g_somatic)),
        },
        learning=np.ones(PRESENTATIONS, dtype=bool),
    )


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU time, of user and system, of the processes that `work` starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def largest_difference(ours: Chunk, stock: Chunk) -> float:
    """Return the largest difference at the end, relative to the largest value of each array."""
    return max(
        float(np.max(np.abs(value - ours.state[key])) / np.max(np.abs(value)))
        for key, value in stock.state.items()
    )


def spread(values: np.ndarray, digits: int) -> str:
    middle, low, high = (f"{f(values):.{digits}f}" for f in (np.median, np.min, np.max))
    return f"{middle} ({low}-{high})"


def describe_machine(console: Console) -> None:
    made_by = provenance.collect(compiler=compiler(), flags=COMPILER_FLAGS, device="cpp")
    for key in ("cpu", "cores", "compiler_version", "flags", "brian2_version", "git_sha"):
        console.print(f"{key}: {made_by[key]}", highlight=False)


if __name__ == "__main__":
    main()
