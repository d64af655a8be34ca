#!/bin/sh
# Check that the C++ compiler Brian2 will use ($CXX, or g++ when unset) compiles C++17.
set -u

compiler=${CXX:-g++}
# Unquoted on purpose: CXX may hold arguments, as in "ccache g++".
if printf '#include <random>\nint main() {}\n' |
    $compiler -std=c++17 -x c++ -fsyntax-only - >/dev/null 2>&1; then
    exit 0
fi

{
    if [ -n "${CXX:-}" ]; then
        echo "CXX=$CXX does not compile C++17. Choose another compiler or unset CXX."
    else
        echo "No C++17 compiler was found: g++ is missing or broken. Install one:"
        echo "    Debian, Ubuntu    apt-get install g++ make"
        echo "    macOS             xcode-select --install"
        echo "or name one that you have, for example: export CXX=clang++"
    fi
} >&2
exit 1
