"""Brian2 scripts as C++ programs that time their own steps.

A program is generated and compiled by a process of its own, since Brian2's device is a global, and
kept in the project's cache of programs: its key is a hash of the source, so a changed kernel is
compiled anew. It reads from the environment how many steps to run, and reports the CPU time of the
loop over steps alone; starting up, filling arrays and writing results don't count.
"""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from brian2 import Network, defaultclock
from brian2.core.variables import ArrayVariable
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice

from microcircuit.devices import CppProgram
from microcircuit.devices.activation import active
from microcircuit.devices.compilation import compiled
from microcircuit.structure import Precision

TIMED_RUNS = """
std::cout.precision(17);
char* _counts = std::getenv("BENCHMARK_STEPS");
while (const long long _count = std::strtoll(_counts, &_counts, 10))
{{
    timespec _start, _stop;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &_start);
    {network}.run(_count*{dt!r}, NULL, 10.0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &_stop);
    double _check = 0;
    for (int _k = 0; _k < {size}; _k++)
        _check += (1 + _k % 17)*{checked}[_k];
    std::cout << (_stop.tv_sec - _start.tv_sec) + 1e-9*(_stop.tv_nsec - _start.tv_nsec)
              << ' ' << _check << std::endl;
}}
std::_Exit(0);  // no results: those of a large matrix would take longer than the measurement
"""


@dataclass(frozen=True)
class Run:
    """What a program reports of one run.

    Parameters
    ----------
    seconds : float
        CPU time of the loop over steps.
    check : float
        A weighted sum over one of its variables, after the last step.
    """

    seconds: float
    check: float


def compile_program(
    build: Callable[[], tuple[Network, ArrayVariable]], precision: Precision
) -> Path:
    """Return the folder of a compiled program, from the cache or made now.

    Parameters
    ----------
    build : callable
        Makes the network, and says of which variable programs report a sum.
    precision : "double" or "single"
        Of all real variables.
    """
    folder, _ = compiled(
        lambda project: _generate(build, precision, project),
        CppProgram.make,
        CppProgram.compilers(),
    )
    return folder


def _generate(
    build: Callable[[], tuple[Network, ArrayVariable]], precision: Precision, project: Path
) -> None:
    with active(CppProgram.brian2_device, precision) as device:
        assert isinstance(device, CPPStandaloneDevice)
        device.activate(build_on_run=False)
        network, checked = build()
        network.run(defaultclock.dt, namespace={})  # adds the objects, and touches all memory
        code = TIMED_RUNS.format(
            network=network.name,
            dt=float(defaultclock.dt),
            size=checked.size,
            checked=device.get_array_name(checked),
        )
        device.insert_code("main", code)
        device.build(directory=str(project), compile=False, run=False)


def run_program(folder: Path, steps: Sequence[int]) -> list[Run]:
    """Run a program for several numbers of steps, one after the other, in one process.

    Raises
    ------
    RuntimeError
        It fails; the message is what it says.
    """
    environment = {**CppProgram.environment(), "BENCHMARK_STEPS": " ".join(map(str, steps))}
    done = subprocess.run(
        ["./main"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{folder}: exit status {done.returncode}: {done.stderr.strip()}")
    return [Run(*map(float, line.split())) for line in done.stdout.splitlines()]
