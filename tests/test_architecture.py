"""The arrows between the rooms: who may import whom, read from the sources."""

import ast
import configparser
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {
    "microcircuit": "engine",
    "microcircuit.cli": "cli",
    "microcircuit.models": "models",
    "microcircuit.protocols": "protocols",
    "microcircuit.analysis": "analysis",
}
FOLDERS = {
    "microcircuit": "microcircuit",
    "models": "microcircuit.models",
    "protocols": "microcircuit.protocols",
    "analysis": "microcircuit.analysis",
}
MAY_IMPORT = {
    "engine": {"engine"},
    "models": {"engine", "models"},
    "protocols": {"engine", "models", "protocols"},
    "cli": set(ROOMS.values()),
}
MAY_ALSO_IMPORT = {"protocols": "microcircuit.analysis.rules"}
"""Learning rules are analysis, as circuits are compared with them; and they are what one protocol
runs, as the peers of circuits. They need neither the engine nor the figures."""
ANALYSIS_MAY_IMPORT = {
    "microcircuit.results",
    "microcircuit.analysis",
    "numpy",
    "scipy",
    "matplotlib",
    # The extra `spikes`, which nothing else in this room needs: see test_spikes.py.
    "elephant",
    "neo",
    "pynwb",
    "quantities",
    *sys.stdlib_module_names,
}


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def room_of(name: str) -> str | None:
    """The room of a module, or of a name imported from it; None outside the project."""
    packages = [package for package in ROOMS if within(name, package)]
    return ROOMS[max(packages, key=len)] if packages else None


def imported_names(tree: ast.AST, module: str, *, is_package: bool) -> Iterator[str]:
    """Absolute dotted names of all that a module imports, at its top or in its functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = node.level - 1 if is_package else node.level
                base = ".".join([*module.split(".")[: -up or None], *filter(None, [base])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def broken_arrows(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """The imports of a module that its room does not allow."""
    room = room_of(module)
    names = imported_names(ast.parse(source), module, is_package=is_package)
    if room == "analysis":
        return [n for n in names if not any(within(n, allowed) for allowed in ANALYSIS_MAY_IMPORT)]
    names = [n for n in names if room_of(n) is not None and room_of(n) not in MAY_IMPORT[room]]
    return [n for n in names if not within(n, MAY_ALSO_IMPORT.get(room, "nothing"))]


def project_files() -> Iterator[tuple[Path, str]]:
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            inner = path.relative_to(ROOT / folder).with_suffix("").parts
            yield path, ".".join([package, *(part for part in inner if part != "__init__")])


def test_every_import_follows_the_arrows():
    broken = {
        str(path.relative_to(ROOT)): names
        for path, module in project_files()
        if (
            names := broken_arrows(
                path.read_text(encoding="utf-8"), module, is_package=path.name == "__init__.py"
            )
        )
    }
    assert not broken


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("microcircuit.circuit", "import microcircuit.models.sacramento2018"),
        ("microcircuit.circuit", "from microcircuit import protocols"),
        ("microcircuit.circuit", "def f():\n    from microcircuit.analysis import figures"),
        ("microcircuit.circuit", "from .analysis import figures"),
        ("microcircuit.kernels.add", "from ..models import sacramento2018"),
        ("microcircuit.study", "from microcircuit.cli import main"),
        ("microcircuit.models.sacramento2018", "from microcircuit.protocols import mnist"),
        ("microcircuit.models.sacramento2018", "from ..analysis.figures import draw"),
        ("microcircuit.models.sacramento2018", "import microcircuit.cli"),
        ("microcircuit.protocols.mnist", "if TYPE_CHECKING:\n    import microcircuit.analysis"),
        ("microcircuit.protocols.mnist", "from microcircuit.analysis import figures"),
        ("microcircuit.protocols.mnist", "from microcircuit.analysis.rules_of_thumb import some"),
        ("microcircuit.protocols.mnist", "from microcircuit import cli"),
        ("microcircuit.models.sacramento2018", "from microcircuit.analysis.rules import RULES"),
        ("microcircuit.computation", "from microcircuit.analysis import rules"),
        ("microcircuit.analysis.figures", "import brian2"),
        ("microcircuit.analysis.figures", "def f():\n    from brian2.units import mV"),
        ("microcircuit.analysis.figures", "from microcircuit import circuit"),
        ("microcircuit.analysis.figures", "from microcircuit.results_old import read"),
        ("microcircuit.analysis.figures", "from microcircuit.models import sacramento2018"),
        ("microcircuit.analysis.figures", "import pandas"),
    ],
)
def test_broken_arrow_is_seen(module, source):
    assert len(broken_arrows(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("microcircuit.circuit", "import brian2\nfrom microcircuit.units import parse"),
        ("microcircuit.models.sacramento2018", "from microcircuit.circuit import Circuit"),
        ("microcircuit.models.guerguiev2017", "from microcircuit.models import sacramento2018"),
        ("microcircuit.protocols.mnist", "from ..models.sacramento2018 import build"),
        ("microcircuit.protocols.rules", "from microcircuit.analysis.rules import RULES"),
        ("microcircuit.protocols.rules", "from microcircuit.analysis import rules"),
        ("microcircuit.analysis.figures", "import json\nimport matplotlib.pyplot as plt"),
        ("microcircuit.analysis.figures", "from microcircuit.results import Run"),
        ("microcircuit.analysis.figures", "from microcircuit import results"),
        ("microcircuit.analysis.figures", "from . import alignment"),
        ("microcircuit.cli", "def f():\n    from microcircuit.protocols import mnist"),
    ],
)
def test_allowed_arrow_passes(module, source):
    assert broken_arrows(source, module) == []


def test_relative_import_in_a_package_starts_at_the_package_itself():
    source = "from .circuit import Circuit\nfrom .models import sacramento2018"
    assert broken_arrows(source, "microcircuit", is_package=True) == [
        "microcircuit.models.sacramento2018"
    ]


def test_every_package_is_installed():
    """An editable installation would find those that are not listed too."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    packages = {module for path, module in project_files() if path.name == "__init__.py"}
    assert set(settings["options"]["packages"].split()) == packages


def test_checkout_is_whole_without_an_installation():
    """As for Python that is started in it, where it comes before any installed package."""
    code = "import microcircuit.models as one, microcircuit.protocols, microcircuit.analysis"
    python = [sys.executable, "-S", "-c", f"{code}; print(one.__file__)"]
    answer = subprocess.run(python, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert Path(answer.stdout.strip()) == ROOT / "models" / "__init__.py"


@pytest.mark.parametrize("module", ["cli", "results", "doctor", "provenance"])
def test_light_module_does_not_load_brian2(module):
    code = f"import sys, microcircuit.{module}; print('brian2' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == "False"
