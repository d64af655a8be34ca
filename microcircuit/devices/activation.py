"""Brian2's devices and preferences, switched on for a while; nothing else touches them."""

import contextlib
import gc
from collections.abc import Iterator, Mapping

from brian2 import Network, get_device, prefs, set_device
from brian2.core.names import Nameable
from brian2.core.variables import ArrayVariable
from brian2.devices.device import RuntimeDevice, reset_device

from microcircuit.devices.program import ProgramError
from microcircuit.structure import DTYPES, Precision

COMPILER_FLAGS = (
    "-w",
    "-O3",
    "-march=native",
    # What neither moves nor rounds a result is allowed. The rest of -ffast-math is not, nor fused
    # multiplications where the compiler likes: a neuron's result would depend on whether it falls
    # into the vectors of a loop or into what is left over, that is, on the number of replicates.
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
    "-std=c++17",
)
"""How C++ programs are compiled; recorded in every result."""

FOREVER = 2**39
"""In time steps. Programs run until the presenter ends them; this is only longer than any run,
and short enough that Brian2 finds nothing to warn of."""


@contextlib.contextmanager
def active(
    name: str, precision: Precision, preferences: Mapping[str, object] | None = None
) -> Iterator[object]:
    """Make a Brian2 device active with the preferences of this engine; leave all as it was.

    Objects made meanwhile are named as in a new process.

    Parameters
    ----------
    name : str
        Of the device, as Brian2 names it.
    precision : "double" or "single"
        Of all real variables.
    preferences : mapping, optional
        Further ones that the device needs, by Brian2's names.

    Raises
    ------
    ProgramError
        The user's own script has another device than the runtime one, which would lose its work.
    """
    if not isinstance(get_device(), RuntimeDevice):
        raise ProgramError(
            "a Brian2 device of your own is active: finish with it and call "
            "brian2.set_device('runtime') before circuits are simulated"
        )
    ours = {
        "codegen.target": "numpy",
        # What Brian2 moves out of a loop it regroups, other for a scalar than for an array: a
        # parameter is the former in a single network and the latter with replicates.
        "codegen.loop_invariant_optimisations": False,
        "codegen.cpp.extra_compile_args_gcc": list(COMPILER_FLAGS),
        "core.default_float_dtype": DTYPES[precision],
        "core.stop_on_keyboard_interrupt": False,  # Ctrl-C would end a chunk early, unnoticed
        **(preferences or {}),
    }
    saved = {key: prefs[key] for key in ours}
    for key, value in ours.items():
        prefs[key] = value
    set_device(name, **({"build_on_run": False} if name != "runtime" else {}))
    # Brian2 collects garbage before each run, to warn of objects that no network has. It need not
    # go through all that this process holds: with many programs that takes longer than the run.
    gc.freeze()
    try:
        with _fresh_names():
            yield get_device()
    finally:
        gc.unfreeze()
        for key, value in saved.items():
            prefs[key] = value
        reset_device()


@contextlib.contextmanager
def _fresh_names() -> Iterator[None]:
    """Let Brian2 name objects as in a new process, whatever other programs are alive.

    Brian2 numbers a default name that is taken, and names are part of the source and so of its
    hash. And for each object that is made Brian2 goes through the names of all others, those of
    every run among them: with many programs alive that takes longer than a run.
    """
    named = Nameable.__instances__()
    others = set(named)
    named.clear()
    try:
        yield
    finally:
        named.update(reference for reference in others if reference() is not None)


def arrays(network: Network) -> dict[str, ArrayVariable]:
    """Return the array variables of all objects of a network by ``"object.variable"``."""
    return {
        f"{obj.name}.{name}": variable
        for obj in network.objects
        for name, variable in obj.variables.items()
        if isinstance(variable, ArrayVariable) and variable.owner.name == obj.name
    }
