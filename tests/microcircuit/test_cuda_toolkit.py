from importlib import metadata
from pathlib import Path

import pytest

from microcircuit import cuda_toolkit
from microcircuit.cuda_toolkit import Curand, Toolkit, find_curand, find_toolkit


def install(folder, nvcc="#!/bin/sh\n", *files):
    """Make something like a toolkit."""
    for name in ("bin/nvcc", *files):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / "bin" / "nvcc").write_text(nvcc, encoding="utf-8")
    (folder / "bin" / "nvcc").chmod(0o755)
    return folder


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """A machine with a shell and nothing else, and an empty usual folder."""
    monkeypatch.setattr(cuda_toolkit, "USUAL_FOLDERS", (tmp_path / "usual",))
    monkeypatch.setenv("PATH", "/bin:/usr/bin")
    for name in ("CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)


def test_no_toolkit(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    assert find_toolkit() is None


def test_variables_come_before_the_path_and_that_before_usual_folders(monkeypatch, tmp_path):
    homes = {name: install(tmp_path / name) for name in ("home", "path", "known", "usual")}
    monkeypatch.setenv("PATH", "")
    assert find_toolkit() == Toolkit(homes["usual"])
    monkeypatch.setenv("PATH", f"{homes['known'] / 'bin'}")
    assert find_toolkit() == Toolkit(homes["known"])
    monkeypatch.setenv("CUDA_PATH", str(homes["path"]))
    assert find_toolkit() == Toolkit(homes["path"])
    monkeypatch.setenv("CUDA_HOME", str(homes["home"]))
    assert find_toolkit() == Toolkit(homes["home"])


def test_a_script_may_stand_in_for_nvcc(monkeypatch, tmp_path):
    real = install(tmp_path / "real")
    stand_in = install(tmp_path / "other", f"#!/bin/sh\necho '#$ TOP={real}/bin/..' >&2\n")
    monkeypatch.setenv("PATH", f"{stand_in / 'bin'}:/bin:/usr/bin")
    assert find_toolkit() == Toolkit(real)
    assert find_toolkit().nvcc == real / "bin" / "nvcc"


def test_curand_of_the_toolkit_comes_before_that_of_a_wheel(monkeypatch, tmp_path):
    whole = install(
        tmp_path / "whole",
        "",
        "targets/x86_64-linux/include/curand.h",
        "targets/x86_64-linux/lib/libcurand.so.10",
    )
    small = install(tmp_path / "small")

    def files(name):
        if name != "nvidia-curand":
            raise metadata.PackageNotFoundError(name)
        return [
            Located(tmp_path / "wheel" / "include" / "curand.h"),
            Located(tmp_path / "wheel" / "lib" / "libcurand.so.10"),
        ]

    monkeypatch.setattr(metadata, "files", files)
    target = whole / "targets" / "x86_64-linux"
    assert find_curand(Toolkit(whole)) == Curand(
        target / "include", target / "lib" / "libcurand.so.10"
    )
    wheel = tmp_path / "wheel"
    assert find_curand(Toolkit(small)) == Curand(
        wheel / "include", wheel / "lib" / "libcurand.so.10"
    )
    monkeypatch.setattr(metadata, "files", lambda name: [])
    assert find_curand(Toolkit(small)) is None


class Located:
    """What metadata tells of a file."""

    def __init__(self, path: Path) -> None:
        self.name, self._path = path.name, path

    def locate(self) -> Path:
        return self._path
