#!/bin/sh
# Run mypy over the rooms merged into the one package that they install as.
#
# mypy does not follow package_dir: seen where they lie, microcircuit.models and its siblings would
# not be found, and calls from one room into another would go unchecked.
set -eu
cd "$(dirname "$0")/.."

merged=build/types
rm -rf "$merged"
mkdir -p "$merged"
cp -pR microcircuit "$merged"
cp -pR models protocols analysis "$merged/microcircuit"

mypy=$PWD/.venv/bin/mypy
cache=$PWD/.mypy_cache
config=$PWD/pyproject.toml
cd "$merged"
exec "$mypy" --config-file "$config" --cache-dir "$cache"
