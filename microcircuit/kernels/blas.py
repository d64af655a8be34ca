"""The BLAS that batches of presentations are multiplied with: OpenBLAS, from a wheel."""

import os
from collections.abc import Mapping, Sequence

import scipy_openblas32

FOR_OTHER_MACHINES = "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"
"""Variables that make OpenBLAS take the processor for another one."""


def compiler_keywords() -> Mapping[str, Sequence[str]]:
    """Return where its header and library are, in the words of Brian2's ``compiler_kwds``."""
    folder = scipy_openblas32.get_lib_dir()
    return {
        "include_dirs": [scipy_openblas32.get_include_dir()],
        "library_dirs": [folder],
        "runtime_library_dirs": [folder],
        "libraries": [scipy_openblas32.get_library()],
    }


def environment() -> Mapping[str, str]:
    """Return the environment in which compiled programs run.

    One thread: parallelism is left to processes, as on small matrices threads cost more than they
    bring. And kernels for this processor, as the program itself is compiled for it, even where the
    user's environment asks for others so that numpy computes the same on several machines.
    """
    others = {k: v for k, v in os.environ.items() if k not in FOR_OTHER_MACHINES}
    return {**others, "OPENBLAS_NUM_THREADS": "1"}
