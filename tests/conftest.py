"""What many tests share: one folder of compiled programs, and a small circuit that uses it all."""

import ctypes
import functools
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from brian2 import ms
from pydantic import PositiveInt

from microcircuit.command import run_command
from microcircuit.devices import COMPILER_FLAGS, DEVICES, CppProgram, compiler
from microcircuit.experiment import Experiment, Probe, evenly
from microcircuit.models.sacramento2018 import Sacramento2018, build_circuit, draw_weights
from microcircuit.parameters import parameters
from microcircuit.records import Mean, Trace
from microcircuit.results import Metric
from microcircuit.schedule import Presentations, Schedule
from microcircuit.simulation import structure_of
from microcircuit.state import initial_state, parameter_values

AREAS = 6, 8, 4
MODEL = Sacramento2018(
    areas=AREAS,
    transfer="logistic",
    sigma=0.1 * ms**-0.5,
    # Large, so that weights move visibly within 2,000 steps.
    eta_bottom_up=(0.02 / ms, 0.01 / ms),
    eta_to_interneuron=(0.02 / ms,),
    eta_from_interneuron=(0.01 / ms,),
    eta_top_down=(0.005 / ms,),
)
LONGEST = 1000
RECORDS = (
    # Seven steps: samples fall differently in each presentation.
    Trace(name="v_apical", population="hidden_1", expression="v_apical", interval=0.7 * ms),
    Mean(
        name="v_apical_squared",
        population="hidden_1",
        expression="v_apical**2",
        across_neurons=True,
    ),
    Mean(name="rate", population="output", expression="rate", last=1 * ms),
)
INPUTS = "input.pattern", "output.v_target", "output.g_teacher"


@parameters
class Drill:
    """Presentations of many lengths, with and without teacher and learning.

    Parameters
    ----------
    presentations : int
        How many.
    probes : int
        How many times to test, without noise and teacher.
    """

    name: ClassVar[str] = "drill"

    presentations: PositiveInt = 20
    probes: int = 0

    def experiment(self, model, seed):
        schedule = Schedule(
            presentations=self.presentations, longest=LONGEST, inputs=INPUTS, draw=draw(seed)
        )
        testing = Schedule(presentations=3, longest=LONGEST, inputs=INPUTS, draw=draw(seed + 1))
        at = evenly(self.presentations, self.probes - 1) if self.probes > 1 else ()
        quiet = {"hidden_1.sigma": 0.0, "interneuron_1.sigma": 0.0, "output.sigma": 0.0}
        return Experiment(
            circuit=build_circuit(model, draw_weights(model, seed)),
            schedule=schedule,
            records=RECORDS,
            live="hidden_1.v_apical_squared",
            snapshots=evenly(self.presentations, 4),
            probes=(Probe(name="quiet", schedule=testing, at=at, parameters=quiet),) if at else (),
            metrics=lambda results: {
                "apical": Metric(results.record("hidden_1", "v_apical_squared").data.mean())
            },
        )


def draw(seed):
    """Stimuli that depend on the number of a presentation alone."""

    def stretch(start, stop):
        numbers = np.arange(start, stop)
        streams = [np.random.default_rng([seed, n]) for n in numbers]
        return Presentations(
            steps=60 + 10 * (numbers % 5),
            inputs={
                "input.pattern": np.array([s.uniform(0, 1, AREAS[0]) for s in streams]),
                "output.v_target": np.array([s.uniform(-1, 1, AREAS[-1]) for s in streams]),
                "output.g_teacher": np.where(numbers % 3 == 0, 0.0, 800.0),
            },
            learning=numbers % 7 != 3,
        )

    return stretch


@dataclass(frozen=True)
class Kit:
    """The drill's parts, and the same circuit with other numbers.

    Everything here has one structure, so it is compiled once.
    """

    protocol = Drill
    model = MODEL

    @functools.cached_property
    def structure(self):
        return structure_of(Drill().experiment(MODEL, 0))

    def circuit(self, seed=0, **changes):
        model = replace(MODEL, **changes)
        return build_circuit(model, draw_weights(model, seed))

    def state(self, circuit):
        return initial_state(circuit)

    def parameters(self, circuit, seed=0):
        return parameter_values(self.structure, circuit, seed)

    def stretch(self, start=0, stop=20):
        return draw(0)(start, stop)

    def plastic(self, count=20, steps=100):
        """Presentations of one length, with a teacher, all with learning."""
        stretch = draw(0)(0, count)
        return replace(
            stretch,
            steps=np.full(count, steps),
            inputs={**stretch.inputs, "output.g_teacher": np.full(count, 800.0)},
            learning=np.ones(count, dtype=bool),
        )


@pytest.fixture(scope="session", autouse=True)
def program_cache(tmp_path_factory):
    """A folder of compiled programs for this session, shared by all of xdist's workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "programs"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROCIRCUIT_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def compiled():
    """Compile what has not been compiled in this session: ``compiled(structure, "cpp")``."""
    programs = {}

    def compile_once(structure, device="cpp", program=None):
        make = program or DEVICES[device]
        key = id(structure), make
        if key not in programs:
            programs[key] = structure, make(structure)
        return programs[key][1]

    return compile_once


@pytest.fixture(scope="session")
def drill():
    """The small circuit that uses most of the engine: see `Kit`."""
    return Kit()


@pytest.fixture(scope="session")
def drill_program(compiled, drill):
    """The drill on C++."""
    program = compiled(drill.structure)
    assert isinstance(program, CppProgram)
    return program


@pytest.fixture(scope="session")
def largest_difference():
    """Largest difference between two arrays, relative to the largest value of the first."""

    def difference(expected, found):
        expected, found = np.asarray(expected, dtype=float), np.asarray(found, dtype=float)
        assert expected.shape == found.shape
        return np.max(np.abs(expected - found)) / np.max(np.abs(expected))

    return difference


@functools.cache
def slurm_answer():
    """What the controller of a Slurm says: asked once, and only where a test needs one."""
    return run_command(["sinfo", "--noheader"], timeout=10)


def pytest_runtest_setup(item):
    """Skip what needs a Slurm where none answers."""
    if item.get_closest_marker("slurm") and not slurm_answer().succeeded:
        pytest.skip(f"no Slurm (tools/slurm.sh start): {slurm_answer().first_line}")


@dataclass(frozen=True)
class Library:
    """C++ functions of a source, and the numbers of its lines whose loops were vectorised."""

    functions: ctypes.CDLL
    source: str
    vectorised: frozenset[int]


@pytest.fixture(scope="session")
def clang():
    """The command of Clang, for what each compiler has a form of its own for."""
    if not shutil.which("clang++"):
        pytest.skip("there is no clang++")
    return "clang++"


@pytest.fixture(scope="session")
def shared_library(tmp_path_factory):
    """Compile a source as programs are: ``shared_library(source)``, or with another compiler."""

    def compile_source(source, compiled_by=None):
        folder = tmp_path_factory.mktemp("library")
        (folder / "source.cpp").write_text(source)
        command = shlex.split(compiled_by or compiler())
        version = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, check=True
        )
        report = "-Rpass=loop-vectorize" if "clang" in version.stdout else "-fopt-info-vec"
        # Linked without the flags, some of which would change how this process rounds.
        compile_ = [*command, *COMPILER_FLAGS, "-fPIC", report, "-c", "source.cpp"]
        said = subprocess.run(compile_, cwd=folder, capture_output=True, text=True, check=True)
        link = [*command, "-shared", "source.o", "-o", "source.so"]
        subprocess.run(link, cwd=folder, check=True)
        found = re.findall(r"source.cpp:(\d+):.*(?:loop vectorized|vectorized loop)", said.stderr)
        library = ctypes.CDLL(str(folder / "source.so"))
        return Library(library, source, frozenset(map(int, found)))

    return compile_source
