#!/bin/sh
# Print the full path of a Python that can run this project: 3.12 or later, with venv and ensurepip.
#
#     tools/find_python.sh                           the newest tested one, else a newer one
#     PYTHON=/path/to/python tools/find_python.sh    that one, or an error
#
# Candidates are judged by running them: a pyenv shim may lie on the PATH and refuse to run, and
# Debian packages ensurepip apart from the interpreter. Only shell built-ins are used.
set -u

oldest=312
newest_tested=313
probe='import ensurepip, sys, venv; print("%d%02d %s" % (sys.version_info[:2] + (sys.executable,)))'

# Set version (312 for 3.12) and path; fail when $1 does not run, is too old or lacks a module.
examine() {
    found=$("$1" -c "$probe" 2>/dev/null </dev/null) || return 1
    version=${found%% *}
    path=${found#* }
    [ "$version" -ge "$oldest" ] 2>/dev/null
}

if [ -n "${PYTHON:-}" ]; then
    if examine "$PYTHON"; then
        printf '%s\n' "$path"
        exit 0
    fi
    printf '%s\n' "PYTHON=$PYTHON will not do: it must run, be Python 3.12 or later," \
        "and have the modules venv and ensurepip. Choose another or unset PYTHON." >&2
    exit 1
fi

best_rank=0
for candidate in python3.14 python3.13 python3.12 python3 python \
    "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/*/bin/python3; do
    examine "$candidate" || continue
    rank=$version
    [ "$version" -le "$newest_tested" ] && rank=$((version + 1000))
    if [ "$rank" -gt "$best_rank" ]; then
        best_rank=$rank
        best_path=$path
    fi
done

if [ "$best_rank" -gt 0 ]; then
    printf '%s\n' "$best_path"
    exit 0
fi
printf '%s\n' "No Python 3.12 or later with the modules venv and ensurepip was found. Install one:" \
    "    Debian 13, Ubuntu 24.04, later    apt-get install python3 python3-venv" \
    "    macOS                             brew install python@3.13" \
    "    anywhere, with pyenv              pyenv install 3.13" \
    "or name one that you have: PYTHON=/path/to/python make test" >&2
exit 1
