"""Cortical microcircuits that learn with dendritic errors, simulated on Brian2.

A circuit is data (`microcircuit.circuit`), a protocol is data (`microcircuit.protocols`), an engine
compiles the two once and runs them many times (`microcircuit.simulation`), and everything
afterwards reads one HDF5 file (`microcircuit.results`). Importing this package loads none of them.
"""


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("dendritic-microcircuit")
