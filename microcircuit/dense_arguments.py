"""What a dense projection can't be made of, told when it is made."""

from collections.abc import Iterable, Mapping

import numpy as np
from brian2 import NeuronGroup, PoissonGroup, SpikeGeneratorGroup, prefs
from brian2.core.variables import ArrayVariable
from brian2.groups.group import Group

from microcircuit.naming import unknown

SPIKES = "spikes"
"""The signal of neurons with a threshold."""

UNSUPPORTED = {
    "delay": "signals arrive in the step in which they are sent",
    "model": "a rule is the outer product of a post_factor and a pre_factor",
    "on_pre": "set signal='spikes': each spike adds the neuron's weights to the target",
    "on_post": "rules have a post_factor, not events",
    "connect": "all neurons are connected; a weight of zero that does not learn is no connection",
    "method": "weights are integrated with explicit Euler",
}
"""What stock `Synapses` can do and this object can't, and why or what to do instead."""

type Source = NeuronGroup | PoissonGroup | SpikeGeneratorGroup
"""Groups that send spikes; only a `NeuronGroup` has other signals, and targets."""


def refuse(options: Iterable[str], known: Iterable[str]) -> None:
    """Raise TypeError for options that do not exist, saying why or what was meant."""
    for name in options:
        if name in UNSUPPORTED:
            raise TypeError(without(name))
        raise TypeError(unknown("option of a dense projection", name, known))


def without(name: str) -> str:
    """Return why there is no such option, one of `UNSUPPORTED`."""
    return f"a dense projection has no {name!r}: {UNSUPPORTED[name]}"


def check_numbers(**numbers: int) -> None:
    """Check that there is at least one of each.

    Raises
    ------
    ValueError
        A number is not whole, or less than one.
    """
    for name, number in numbers.items():
        if not isinstance(number, int | np.integer) or number < 1:
            raise ValueError(f"{name} = {number!r}: must be a whole number, at least 1")


def check_groups(pre: Source, post: NeuronGroup, networks: int, *, signal: str) -> None:
    """Check that two groups are whole, of one time step, and of as many networks as they should.

    Raises
    ------
    TypeError, ValueError
        They are not.
    """
    senders = Source.__value__ if signal == SPIKES else NeuronGroup
    for role, group, kinds in (("pre", pre, senders), ("post", post, NeuronGroup)):
        if not isinstance(group, kinds):
            sent = ", or a PoissonGroup or SpikeGeneratorGroup for signal='spikes'"
            raise TypeError(
                f"{role} must be a whole NeuronGroup{sent if role == 'pre' else ''}, not a "
                f"{type(group).__name__}: neurons are taken by their place in its arrays"
            )
        if len(group) % networks:
            raise ValueError(
                f"{role} {group.name!r} has {len(group)} neurons, which {networks} networks "
                "(replicates times batch) can't share evenly"
            )
    if pre.clock is not post.clock and pre.clock.dt != post.clock.dt:
        raise ValueError(f"{pre.name!r} and {post.name!r} must have the same time step")


def check_variables(group: Group, names: Iterable[str | None]) -> None:
    """Check that a group stores a real number of each name for each neuron, or spikes.

    Raises
    ------
    ValueError
        It does not; the message holds what is stored.
    """
    for name in names:
        if name == SPIKES and "_spikespace" not in group.variables:
            raise ValueError(f"{group.name!r} has no threshold, so it does not spike")
        if name is None or name == SPIKES:
            continue
        stored = [
            key
            for key, variable in group.variables.items()
            if isinstance(variable, ArrayVariable)
            and variable.size == len(group)
            and variable.dtype == prefs.core.default_float_dtype
            and group.variables.indices[key] == "_idx"  # not linked to other neurons
        ]
        if name not in stored:
            raise ValueError(
                f"{group.name!r}: "
                + unknown("stored variable", name, stored)
                + ". A computed one is stored if it is marked (constant over dt)"
            )


def check_drive(pre: Source, post: NeuronGroup, signal: str, target: str) -> None:
    """Check that a projection drives neither the variable that it reads nor a constant.

    Raises
    ------
    ValueError
        It does.
    """
    if post.variables[target].constant:
        raise ValueError(f"{target!r} of {post.name!r} is constant, so it can't be a target")
    if pre is post and signal == target:
        raise ValueError(
            f"{target!r} of {post.name!r} can't be both the signal and the target of a projection: "
            "drive a variable of its own, and let the equations say what follows from it"
        )


def check_spikes(signal: str, pre_factor: str | None, *, filtered: bool, at_end: bool) -> None:
    """Check that a rule fits to spikes.

    Raises
    ------
    ValueError
        It acts on spikes that are not sent, or other than by spikes.
    """
    if signal != SPIKES:
        raise ValueError("pre_factor='spikes' needs signal='spikes'")
    if filtered or (pre_factor is not None and (pre_factor == SPIKES) == at_end):
        raise ValueError(
            "with spikes as the signal a rule acts on spikes, pre_factor='spikes', or on a trace "
            "of them at the end of presentations, and without a filter. For any other rule with "
            "a trace, send the trace"
        )


def check_rule(**options: bool) -> None:
    """Check that no option of a rule is given where there is none.

    Raises
    ------
    ValueError
        One is.
    """
    for name, given in options.items():
        if given:
            raise ValueError(f"{name} is an option of a rule: it needs a post_factor")


def check_values(name: str, values: Mapping[str, float]) -> None:
    """Check a time constant and bounds, as far as they are given.

    Raises
    ------
    ValueError
        They have not been set, or can't be right.
    """
    if "tau" in values and not values["tau"] > 0:
        raise ValueError(f"{name}.tau = {values['tau']:g} s: set it to a time above zero")
    if {"w_min", "w_max"} <= values.keys() and not values["w_min"] < values["w_max"]:
        raise ValueError(
            f"{name}.w_min = {values['w_min']:g}, {name}.w_max = {values['w_max']:g}: set both, "
            "the first one below the second"
        )
