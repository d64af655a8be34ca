"""Programs in C++, for one core."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from microcircuit.devices import compilation
from microcircuit.devices.standalone_program import StandaloneProgram


def compiler() -> str:
    """Return the command of the C++ compiler that Brian2's makefile uses, options included."""
    return os.environ.get("CXX") or "g++"


class CppProgram(StandaloneProgram):
    """A binary made with Brian2's C++ standalone mode."""

    brian2_device = "cpp_standalone"

    @staticmethod
    def compilers() -> Sequence[Sequence[str]]:
        """Return questions to the compiler: its version, and what it takes the processor for.

        The latter for ``-march=native``: a cache on a network file system serves machines of
        several kinds. GCC tells; the predefined macros say as much with any compiler.
        """
        command = shlex.split(compiler())
        native = "-march=native", "-dM", "-E", "-x", "c++", os.devnull
        return (*command, "--version"), (*command, *native)

    @staticmethod
    def make(project: Path) -> None:
        """Compile, with the header that every file includes compiled first: half the time.

        The makefile's own list of dependencies is of no use in a fresh folder and as slow to make
        as the program, so an empty one stands in. ``objects.cpp`` reads and writes files: its long
        functions are not worth the second that it takes to optimise them.
        """
        (project / "make.deps").touch()
        header = "objects.h.gch: objects.h; $(CXX) $(CXXFLAGS) -x c++-header $< -o $@"
        hasty = "objects.o: CXXFLAGS += -O1"
        command = f"CXX={compiler()}"
        compilation.make(
            project,
            f"""
            make --eval='{header}' {shlex.quote(command)} objects.h.gch &&
            make --eval='{hasty}' -j {compilation.jobs()} \
                {shlex.quote(f"{command} -include objects.h")}
            """,
        )

    @staticmethod
    def environment() -> Mapping[str, str]:
        """Return the environment in which the binary runs: large arrays in huge pages.

        By an option of glibc 2.35 and later, where the system has them for those who ask: through
        pages of 4 kB matrices of weights that no cache holds take up to a fifth longer. The user's
        own options come last, and so count.
        """
        options = "glibc.malloc.hugetlb=1", os.environ.get("GLIBC_TUNABLES", "")
        return {**os.environ, "GLIBC_TUNABLES": ":".join(filter(None, options))}
