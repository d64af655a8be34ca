"""What a plastic projection costs that carries spikes, from 1 to 200 Hz, beside dense and NEST.

``python -m benchmarks.events [--rounds 5] [--nest-python PYTHON]`` times 784 Poisson neurons that
project to 500, all to all, with rule (7) of `microcircuit.models.sacramento2018`; ``README.md`` in
this folder says what is compared. Table, figure and all measurements go to ``results/events.md``,
``.png`` and ``.json``.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from brian2 import Hz, ms
from matplotlib.axes import Axes

from benchmarks.nest_peer import DT, RATE, NestCase, missing
from benchmarks.results import About, Measurement, Results
from benchmarks.table import HEADER, Row, Target, markdown, number, spread
from benchmarks.timing import Spread, cpu_seconds, ratio, take_turns
from microcircuit import provenance
from microcircuit.analysis.figures.style import GREY, page, paper_style
from microcircuit.circuit import Circuit, LearningRule, Population, Projection
from microcircuit.devices import COMPILER_FLAGS, CppProgram, compiler
from microcircuit.reference import ReferenceProgram
from microcircuit.schedule import Presentations
from microcircuit.spikes import ExponentialKernel, Poisson
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure

type Form = Literal["events", "neurons", "dense", "stock"]

OUTPUT = Path(__file__).with_name("results")
SIZE = 784, 500
RATES = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
"""Spikes per second of each input."""
TAU = 3 * ms
TRACE = 49 * float(TAU)
"""So long there is a trace of a spike: until it has fallen from 17 to 1e-20."""
STEPS = 1000
"""Of a presentation of 100 ms."""
LENGTHS: dict[Form, int] = {"events": 50, "neurons": 50, "dense": 6, "stock": 2}
"""Presentations of a measurement."""
NEST_STEPS = 250
FASTER = Target("at least", 100, "ratio")
"""Than NEST."""
RATE_HEADER = "spikes per second", "events", "the projection alone", "dense", "dense / events"

INPUT = """
rate  : Hz
trace : 1
"""
OUTPUTS = """
dv_soma/dt      = -g_leak*v_soma + g_basal*(v_basal - v_soma) + g_teacher*(v_target - v_soma) : 1
dv_predicted/dt = -g_leak*v_predicted + g_basal*(v_basal - v_predicted)                       : 1
rate            = 1/(1 + exp(-v_soma))                                                        : 1
rate_predicted  = 1/(1 + exp(-v_predicted))                                                   : 1
v_basal  : 1
v_target : 1
"""
"""The output area of the spiking circuit, without noise."""


@dataclass(frozen=True)
class Setup:
    """What is compiled.

    Parameters
    ----------
    form : "events", "neurons", "dense" or "stock"
        Plasticity computed when spikes come; no projection at all; all weights in each step, with
        the traces of spikes as signal; the same on stock Brian2.
    pre, post : int
        Neurons.
    """

    form: Form
    pre: int
    post: int

    @property
    def circuit(self) -> Circuit:
        """The circuit."""
        kernel = ExponentialKernel(tau=TAU, rate=RATE * Hz)
        inputs = Population(
            name="input",
            size=self.pre,
            equations=INPUT,
            spikes=Poisson(rate="rate"),
            traces={"trace": kernel},
        )
        conductances = {"g_leak": 0.1 / ms, "g_basal": 1 / ms, "g_teacher": 0.8 / ms}
        output = Population(
            name="output", size=self.post, equations=OUTPUTS, parameters=conductances
        )
        spikes = self.form == "events"
        projection = Projection(
            name="projection",
            pre="input",
            post="output",
            signal="spikes" if spikes else "trace",
            target="v_basal",
            weights=np.random.default_rng(0).uniform(-0.1, 0.1, (self.post, self.pre)),
            kernel=kernel if spikes else None,
            rule=LearningRule(
                post_factor="rate - rate_predicted",
                pre_factor="trace",
                learning_rate=1e-4 / ms,
                tau=30 * ms,
            ),
        )
        projections = () if self.form == "neurons" else (projection,)
        return Circuit(populations=(inputs, output), projections=projections)

    @property
    def structure(self) -> Structure:
        """What the program depends on."""
        return Structure(
            circuit=self.circuit,
            inputs=("input.rate", "output.v_target"),
            records=(),
            longest=STEPS,
            capacity=LENGTHS[self.form],
        )

    def stimuli(self, rate: float, count: int) -> Presentations:
        """Return as many presentations, all inputs at one rate."""
        targets = np.random.default_rng(1).uniform(-1, 1, (count, self.post))
        inputs = {"input.rate": np.full((count, self.pre), rate), "output.v_target": targets}
        return Presentations(
            steps=np.full(count, STEPS), inputs=inputs, learning=np.ones(count, dtype=bool)
        )


class EventsCase:
    """Measures a circuit at one rate of its inputs.

    Parameters
    ----------
    setup : Setup
        What is compiled.
    rate : float
        Spikes per second.
    """

    kind = "events"

    def __init__(self, setup: Setup, rate: float) -> None:
        self.about: About = {"form": setup.form, "rate": str(rate)}
        self.details: dict[str, int | float | str] = {"presentations": LENGTHS[setup.form]}
        self.label = f"{setup.form}, {rate:g} Hz"
        self._setup, self._rate = setup, rate

    def prepare(self) -> None:
        """Compile the program, or find it in the cache."""
        structure, circuit = self._setup.structure, self._setup.circuit
        stock = self._setup.form == "stock"
        self._program = ReferenceProgram(structure, CppProgram) if stock else CppProgram(structure)
        self._start = initial_state(circuit), parameter_values(structure, circuit, 0)

    def _seconds(self, presentations: int) -> float:
        stretch = self._setup.stimuli(self._rate, presentations)
        return cpu_seconds(lambda: self._program.run(*self._start, stretch, 0))

    def measure(self) -> float:
        """Return CPU seconds of a simulated second, starting up and the first onset taken off."""
        count = LENGTHS[self._setup.form]
        return (self._seconds(count) - self._seconds(1)) / ((count - 1) * STEPS * DT * 1e-3)


@dataclass(frozen=True)
class Costs:
    """CPU seconds of a simulated second, one a round, from the measurements of a run.

    Parameters
    ----------
    results : Results
        The run.
    """

    results: Results

    def whole(self, form: Form, rate: float) -> np.ndarray | None:
        """Return the costs of a circuit, None if there are none."""
        found = self.results.find("events", form=form, rate=str(rate))
        return None if found is None else np.array(found.seconds)

    def alone(self, form: Form, rate: float) -> np.ndarray | None:
        """Return the costs without those of the same neurons without a projection."""
        whole, neurons = self.whole(form, rate), self.whole("neurons", rate)
        return None if whole is None or neurons is None else whole - neurons

    def nest(self) -> np.ndarray | None:
        """Return the costs of NEST's circuit."""
        found = self.results.find("nest")
        return None if found is None else np.array(found.seconds) / (DT * 1e-3)

    def rates(self) -> list[float]:
        """Return the rates at which a projection with events was measured."""
        return [float(m.about["rate"]) for m in self.results.select("events", form="events")]


@dataclass(frozen=True)
class Fit:
    """The cost of the projection alone, in CPU seconds of a simulated second.

    Parameters
    ----------
    fixed : float
        Of all steps and of the ends of presentations, whatever spikes.
    kept : float
        Of bringing neurons up to date when sums start anew, if all of them have a trace.
    spike : float
        Of the spikes, for one per second of each input.
    residual : float
        Largest deviation of a median from the sum, relative to the median.
    """

    fixed: float
    kept: float
    spike: float
    residual: float

    @classmethod
    def of(cls, costs: Costs) -> "Fit":
        """Fit medians, all of them with the same relative error."""
        rates = np.array(costs.rates())
        medians = np.array([np.median(costs.alone("events", rate)) for rate in rates])
        parts = _parts(rates)
        found, *_ = np.linalg.lstsq(parts / medians[:, None], np.ones(len(rates)), rcond=None)
        residual = np.max(np.abs(parts @ found / medians - 1))
        return cls(*map(float, found), float(residual))

    def at(self, rates: np.ndarray) -> np.ndarray:
        """Return the sum at some rates."""
        return _parts(rates) @ [self.fixed, self.kept, self.spike]


def _parts(rates: np.ndarray) -> np.ndarray:
    """Return what the parts of a fit are multiplied with: one, neurons with a trace, spikes."""
    return np.stack([np.ones(len(rates)), -np.expm1(-rates * TRACE), rates], axis=1)


def document(results: Results) -> str:
    """Return the comparisons, the costs at all rates, and what they are made of."""
    costs, settings = Costs(results), results.settings
    fit, synapses = Fit.of(costs), int(settings["pre"]) * int(settings["post"])
    steps = 1e3 / DT
    return f"""Median (smallest-largest) of {settings["rounds"]} rounds, in CPU seconds for a \
simulated second at dt 0.1 ms, {settings["pre"]}x{settings["post"]}.

{markdown(HEADER, [row.cells() for row in comparisons(costs)])}

{markdown(RATE_HEADER, [_rate_cells(costs, rate) for rate in costs.rates()])}

The projection alone at a rate r takes {number(fit.fixed)} + {number(fit.kept)} \
(1 - exp(-r {TRACE:g} s)) + {number(fit.spike)} r/Hz s/s, to {100 * fit.residual:.0f} %: \
{number(1e6 * fit.fixed / steps)} µs a step whatever spikes; up to \
{number(1e6 * fit.kept / steps)} µs a step for sums that start anew; and \
{number(1e9 * fit.spike / synapses)} ns for each spike and synapse.
"""


def _rate_cells(costs: Costs, rate: float) -> list[str]:
    events, dense = costs.whole("events", rate), costs.whole("dense", rate)
    both = None if events is None or dense is None else ratio(dense, events)
    alone = costs.alone("events", rate)
    values = [None if v is None else Spread.of(v) for v in (events, alone, dense)]
    return [f"{rate:g}", *("" if v is None else spread(v) for v in (*values, both))]


def comparisons(costs: Costs) -> list[Row]:
    """Return the lines of the table with peers, at the rate of NEST's inputs."""
    what, unit, ours = f"the circuit at {RATE:g} Hz", "s/s", costs.whole("events", RATE)
    nest = "NEST" if costs.nest() is not None else f"NEST: {costs.results.missing['nest']}"
    return [
        Row(what, ours, unit, costs.nest(), nest, target=FASTER),
        Row(what, ours, unit, costs.whole("stock", RATE), "stock Brian2, dense"),
        Row(what, ours, unit, costs.whole("dense", RATE), "dense"),
        Row(
            f"its projection alone at {RATE:g} Hz",
            costs.alone("events", RATE),
            unit,
            costs.alone("dense", RATE),
            "dense",
        ),
    ]


def draw(results: Results, path: Path) -> None:
    """Draw costs against rates, with the fit.

    Parameters
    ----------
    results : Results
        Peers that were not measured are left out.
    path : Path
        Of the image; its suffix says of which format.
    """
    costs = Costs(results)
    rates = [rate for rate in costs.rates() if rate > 0]
    with paper_style():
        figure = page(89, 75)
        ax = figure.subplots()
        for label, color, marker, values in (
            ("NEST", "C2", "D", [costs.nest() if rate == RATE else None for rate in rates]),
            ("stock Brian2, dense", "0.35", "v", [costs.whole("stock", rate) for rate in rates]),
            ("dense", "C1", "s", [costs.whole("dense", rate) for rate in rates]),
            ("events", "C0", "o", [costs.whole("events", rate) for rate in rates]),
            ("the projection alone", "C4", "^", [costs.alone("events", rate) for rate in rates]),
        ):
            _points(ax, rates, values, color=color, marker=marker, label=label)
        fit, fine = Fit.of(costs), np.geomspace(min(rates), max(rates), 100)
        ax.plot(fine, fit.at(fine), color="C4", linewidth=0.9, label="fit of the latter")
        ax.plot(
            fine, fit.spike * fine, color=GREY, linestyle="--", label="spikes alone, by the fit"
        )
        ax.set(xscale="log", yscale="log", xlabel="spikes per second of each input")
        ax.set_ylabel("CPU s for a simulated s")
        ax.legend(fontsize=5, loc="upper left")
        figure.savefig(path)


def _points(
    ax: Axes, rates: Sequence[float], values: Sequence[np.ndarray | None], **style: str
) -> None:
    """Draw medians, with bars from the smallest to the largest; leave out what is missing."""
    known = [(rate, Spread.of(v)) for rate, v in zip(rates, values, strict=True) if v is not None]
    if known:
        middle = np.array([v.median for _, v in known])
        ends = np.array([[v.low, v.high] for _, v in known]).T
        errors = np.abs(ends - middle)
        ax.errorbar([rate for rate, _ in known], middle, errors, linestyle="", **style)


def measure(
    rounds: int,
    nest_python: str | None,
    size: tuple[int, int] = SIZE,
    rates: Sequence[float] = RATES,
) -> Results:
    """Compile, and measure in turns."""
    cases: list[EventsCase | NestCase] = []
    for rate in rates:
        forms: list[Form] = ["events", "neurons"]
        # At zero all signals stay the same, which spares the dense projection its product.
        forms += ["dense"] * (rate > 0) + ["stock"] * (rate == RATE)
        cases += [EventsCase(Setup(form, *size), rate) for form in forms]
    reason = missing(nest_python)
    if reason is None:
        cases.append(NestCase(*size, nest_python, NEST_STEPS))
    for case in cases:
        case.prepare()
    seconds = take_turns(
        {case.label: case.measure for case in cases},
        rounds,
        lambda label: print(label, file=sys.stderr),
    )
    return Results(
        machine=provenance.collect(compiler=compiler(), flags=COMPILER_FLAGS, device="cpp"),
        settings={"rounds": rounds, "pre": size[0], "post": size[1]},
        measurements=[Measurement(c.kind, c.about, seconds[c.label], c.details) for c in cases],
        missing={} if reason is None else {"nest": reason},
    )


def main() -> None:
    """Measure, write everything, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--nest-python", help="an interpreter that has NEST, if not this one")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the results")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    results = measure(given.rounds, given.nest_python)
    results.save(given.output / "events.json")
    (given.output / "events.md").write_text(document(results), encoding="utf-8")
    draw(results, given.output / "events.png")
    print(document(results))


if __name__ == "__main__":
    main()
