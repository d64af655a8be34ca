"""Cortical microcircuits that learn with dendritic errors, simulated on Brian2.

A circuit is data (`microcircuit.circuit`), a protocol is data (`microcircuit.protocols`), an engine
compiles the two once and runs them many times (`microcircuit.simulation`), and everything
afterwards reads one HDF5 file (`microcircuit.results`). Importing this package loads none of them.
"""

from pathlib import Path

_folder = Path(__file__).parent
if not (_folder / "models").exists():
    # A checkout, where models, protocols and analysis lie beside this folder. Python that is
    # started in the checkout finds this folder before any installed package, and so must find them.
    __path__.append(str(_folder.parent))


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("dendritic-microcircuit")
