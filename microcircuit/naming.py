"""Names in error messages: which known name was probably meant."""

import difflib
from collections.abc import Iterable


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is unknown, which known one is nearest, and what all of them are.

    Parameters
    ----------
    kind : str
        What the name should have been, such as ``"population"``.
    name : str
        The name that was given.
    known : iterable of str
        The names that exist.

    Returns
    -------
    str
        For example ``unknown population 'hiden'; did you mean 'hidden'? Known: hidden, output``.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"unknown {kind} {name!r}{hint} Known: {', '.join(names) or 'none'}"
