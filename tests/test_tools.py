"""The set-up scripts, among interpreters and compilers that are missing, old or broken.

Interpreters and compilers are small shell scripts in an otherwise empty PATH.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHELL = shutil.which("sh")


def script(path, body):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{SHELL}\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def interpreter(path, version):
    """A Python that answers the finder's question: its version as 312, and its full path."""
    return script(path, f'echo "{version} {path}"')


def refusing(path):
    return script(path, "echo 'pyenv: command not found' >&2; exit 127")


def run_tool(name, tmp_path, **environment):
    return subprocess.run(
        [SHELL, ROOT / "tools" / name],
        env={"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path), **environment},
        capture_output=True,
        text=True,
    )


def test_finder_skips_old_and_refusing_interpreters_for_pyenv_versions(tmp_path):
    interpreter(tmp_path / "bin/python3", 311)
    refusing(tmp_path / "bin/python3.12")
    refusing(tmp_path / "bin/python3.13")
    versions = tmp_path / ".pyenv/versions"
    interpreter(versions / "3.9.18/bin/python3", 309)
    wanted = interpreter(versions / "3.12.1/bin/python3", 312)
    found = run_tool("find_python.sh", tmp_path)
    assert (found.returncode, found.stdout) == (0, f"{wanted}\n")


def test_finder_uses_pyenv_root(tmp_path):
    wanted = interpreter(tmp_path / "elsewhere/versions/3.12.1/bin/python3", 312)
    found = run_tool("find_python.sh", tmp_path, PYENV_ROOT=str(tmp_path / "elsewhere"))
    assert found.stdout == f"{wanted}\n"


def test_finder_prefers_the_newest_tested_version(tmp_path):
    interpreter(tmp_path / "bin/python3.14", 314)
    interpreter(tmp_path / "bin/python3.12", 312)
    wanted = interpreter(tmp_path / "bin with space/versions/3.13.0/bin/python3", 313)
    found = run_tool("find_python.sh", tmp_path, PYENV_ROOT=str(tmp_path / "bin with space"))
    assert found.stdout == f"{wanted}\n"


def test_finder_takes_an_untested_newer_version_when_it_is_all_there_is(tmp_path):
    interpreter(tmp_path / "bin/python3", 311)
    wanted = interpreter(tmp_path / "bin/python3.14", 314)
    assert run_tool("find_python.sh", tmp_path).stdout == f"{wanted}\n"


def test_finder_obeys_the_variable_python(tmp_path):
    interpreter(tmp_path / "bin/python3.13", 313)
    chosen = interpreter(tmp_path / "mine/python", 312)
    assert run_tool("find_python.sh", tmp_path, PYTHON=str(chosen)).stdout == f"{chosen}\n"


def test_finder_refuses_an_unsuitable_variable_python(tmp_path):
    interpreter(tmp_path / "bin/python3.13", 313)
    old = interpreter(tmp_path / "mine/python", 311)
    found = run_tool("find_python.sh", tmp_path, PYTHON=str(old))
    assert (found.returncode, found.stdout) == (1, "")
    assert f"PYTHON={old} will not do" in found.stderr


def test_finder_says_what_to_install_when_there_is_none(tmp_path):
    interpreter(tmp_path / "bin/python3", 311)
    found = run_tool("find_python.sh", tmp_path)
    assert (found.returncode, found.stdout) == (1, "")
    for hint in ("apt-get install", "brew install", "pyenv install"):
        assert hint in found.stderr


def test_finder_finds_a_real_interpreter_that_runs():
    found = subprocess.run([ROOT / "tools/find_python.sh"], capture_output=True, text=True)
    if found.returncode:
        pytest.skip("the tests run in an environment whose Python the finder does not know")
    code = "import sys; print(sys.version_info >= (3, 12), sys.executable)"
    answer = subprocess.check_output([found.stdout.strip(), "-c", code], text=True)
    assert answer == f"True {found.stdout}"


def test_compiler_check_names_what_is_missing(tmp_path):
    checked = run_tool("check_compiler.sh", tmp_path)
    assert checked.returncode == 1
    assert "apt-get install g++ make" in checked.stderr
    assert "xcode-select --install" in checked.stderr


def test_compiler_check_rejects_one_without_a_standard_library(tmp_path):
    script(tmp_path / "bin/g++", "echo 'random: no such file' >&2; exit 1")
    assert run_tool("check_compiler.sh", tmp_path).returncode == 1


def test_compiler_check_obeys_cxx_with_arguments(tmp_path):
    script(tmp_path / "bin/cached", f'echo "$@" > {tmp_path}/arguments')
    assert run_tool("check_compiler.sh", tmp_path, CXX="cached clang++").returncode == 0
    assert (tmp_path / "arguments").read_text().startswith("clang++ -std=c++17")


def test_compiler_check_blames_cxx(tmp_path):
    script(tmp_path / "bin/g++", "exit 0")
    checked = run_tool("check_compiler.sh", tmp_path, CXX="missing++")
    assert checked.returncode == 1
    assert "CXX=missing++" in checked.stderr


@pytest.fixture
def slurm(tmp_path):
    """Call the Slurm script among a few commands, those of Slurm not among them."""
    commands = "awk cat cut grep id mkdir realpath sed tac xargs"
    (tmp_path / "bin").mkdir()
    for name in commands.split():
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))

    def call(*arguments, folder=tmp_path / "cluster", **environment):
        return subprocess.run(
            [shutil.which("bash"), ROOT / "tools/slurm.sh", *arguments],
            env={"PATH": str(tmp_path / "bin"), "SLURM_TEST_DIR": str(folder), **environment},
            capture_output=True,
            text=True,
        )

    return call


@pytest.mark.parametrize("arguments", [(), ("restart",)])
def test_slurm_explains_its_usage(slurm, arguments):
    called = slurm(*arguments)
    assert (called.returncode, called.stdout) == (2, "")
    for word in ("slurm.sh start", "slurm.sh stop", "SLURM_TEST_DIR", "SLURM_NODES"):
        assert word in called.stderr


def test_slurm_needs_apt(slurm):
    called = slurm("start")
    assert (called.returncode, called.stdout) == (1, "")
    assert "no Slurm here; to install slurm-wlm and munge it takes apt-get" in called.stderr


def test_slurm_needs_root(slurm, tmp_path):
    (tmp_path / "bin/id").unlink()
    script(tmp_path / "bin/id", "echo 1000")
    script(tmp_path / "bin/apt-get", f"touch {tmp_path}/installed")
    script(tmp_path / "bin/sudo", "echo 'sudo: a password is required' >&2; exit 1")
    called = slurm("start")
    assert called.returncode == 1
    assert "it takes apt-get, and root or sudo." in called.stderr
    assert not (tmp_path / "installed").exists()


def test_slurm_refuses_what_slurm_cannot_take(slurm, tmp_path):
    for name in ("munged", "slurmctld", "slurmd", "srun"):
        script(tmp_path / "bin" / name, "exit 0")
    assert "folder with spaces" in slurm("start", folder=tmp_path / "a b").stderr
    assert "SLURM_NODES=many is not a number" in slurm("start", SLURM_NODES="many").stderr


def test_slurm_says_which_daemon_does_not_start(slurm, tmp_path):
    for name in ("head", "getent", "nproc", "rm", "tail", "uname"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    for name in ("slurmctld", "slurmd", "srun"):
        script(tmp_path / "bin" / name, "exit 0")
    script(tmp_path / "bin/munged", "echo 'munged: no entropy' >&2; exit 1")
    called = slurm("start")
    assert called.returncode == 1
    assert called.stderr.startswith("tools/slurm.sh: munged does not start:\n")
    assert "munged: no entropy" in called.stderr


def test_slurm_stops_where_nothing_runs(slurm):
    called = slurm("stop")
    assert (called.returncode, called.stdout, called.stderr) == (0, "", "")


@pytest.mark.slurm
def test_slurm_runs_a_job():
    ran = subprocess.run(
        ["srun", "--ntasks=1", "--time=1", "hostname"], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout


@pytest.fixture
def project(tmp_path):
    """A copy of the Makefile whose environment is set up, with a command that prints its words."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("setup.cfg", "pyproject.toml"):
        (tmp_path / name).touch()
    script(tmp_path / ".venv/bin/microcircuit", 'echo "microcircuit $*"')
    (tmp_path / ".venv/installed").touch()
    return tmp_path


def make(folder, target):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    return subprocess.check_output(["make", target], cwd=folder, env=environment, text=True)


def test_demo_starts_a_first_run(project):
    assert make(project, "demo") == "microcircuit run self-prediction -o runs/demo\n"


def test_demo_resumes_an_unfinished_run(project):
    (project / "runs/demo").mkdir(parents=True)
    (project / "runs/demo/checkpoint").mkdir()
    (project / "runs/demo/checkpoint/run.json").touch()
    assert make(project, "demo") == "microcircuit run self-prediction --resume runs/demo\n"


def test_demo_shows_a_finished_run_instead_of_overwriting_it(project):
    (project / "runs/demo").mkdir(parents=True)
    (project / "runs/demo/run.h5").touch()
    assert make(project, "demo") == ("microcircuit figure runs/demo\nmicrocircuit show runs/demo\n")


def test_clean_keeps_results(project):
    (project / "runs/demo").mkdir(parents=True)
    make(project, "clean")
    assert (project / "runs/demo").is_dir()
    assert not (project / ".venv").exists()


@pytest.fixture
def ci(tmp_path):
    """A bare checkout with its CI script; what is called with a name and a body is on the PATH."""
    for name in (".ci/run", "tools/find_python.sh", "tools/check_compiler.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    log = tmp_path / "log"

    def command(name, then="exit 0"):
        return script(tmp_path / "bin" / name, f'echo "{name} $*" >> {log}\n{then}')

    def run():
        environment = {
            "PATH": str(tmp_path / "bin"),
            "HOME": str(tmp_path),
            "TMPDIR": str(tmp_path / "temporary"),
        }
        finished = subprocess.run(
            [shutil.which("bash"), tmp_path / ".ci/run"],
            env=environment,
            capture_output=True,
            text=True,
        )
        return finished, log.read_text().splitlines() if log.exists() else []

    script(tmp_path / "tools/slurm.sh", f'echo "slurm $*" >> {log}')
    (tmp_path / "temporary").mkdir()
    (tmp_path / "bin").mkdir()
    for name in ("sh", "dirname", "env", "mktemp", "rm"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    script(tmp_path / "bin/id", "echo 0")
    return command, run


def compilers(tmp_path):
    """Both that CI tests with."""
    script(tmp_path / "bin/g++", "exit 0")
    script(tmp_path / "bin/clang++", "exit 0")


def test_ci_lints_and_tests_where_nothing_is_missing(ci, tmp_path):
    command, run = ci
    interpreter(tmp_path / "bin/python3", 313)
    compilers(tmp_path)
    command("make")
    finished, log = run()
    assert finished.returncode == 0
    assert log == ["make lint", "slurm start", "make test", "slurm stop"]


def test_ci_gives_its_slurm_to_the_tests_and_leaves_nothing_of_it(ci, tmp_path):
    command, run = ci
    interpreter(tmp_path / "bin/python3", 313)
    compilers(tmp_path)
    command("make", f'[ "$1" = lint ] || {{ echo "$SLURM_CONF" > {tmp_path}/seen; exit 2; }}')
    finished, log = run()
    assert finished.returncode == 2
    assert log == ["make lint", "slurm start", "make test", "slurm stop"]
    seen = Path((tmp_path / "seen").read_text().strip())
    assert (seen.parents[1], seen.name) == (tmp_path / "temporary", "slurm.conf")
    assert list((tmp_path / "temporary").iterdir()) == []


def test_ci_fails_where_no_slurm_can_be_had(ci, tmp_path):
    command, run = ci
    interpreter(tmp_path / "bin/python3", 313)
    compilers(tmp_path)
    command("make")
    script(tmp_path / "tools/slurm.sh", '[ "$1" = stop ] || { echo "no Slurm here" >&2; exit 1; }')
    finished, log = run()
    assert (finished.returncode, log) == (1, ["make lint"])
    assert "no Slurm here" in finished.stderr


def test_ci_fails_when_lint_fails(ci, tmp_path):
    command, run = ci
    interpreter(tmp_path / "bin/python3", 313)
    compilers(tmp_path)
    command("make", "exit 2")
    finished, log = run()
    assert (finished.returncode, log) == (2, ["make lint"])


def test_ci_installs_what_is_missing(ci, tmp_path):
    command, run = ci
    command("make")
    command("apt-get")
    command("apt-cache", '[ "$2" = python3.12-venv ]')
    finished, log = run()
    assert finished.returncode == 0
    assert log == [
        "apt-get update -qq",
        "apt-cache show python3.13-venv",
        "apt-cache show python3.12-venv",
        "apt-get install -qq --no-install-recommends g++ clang python3.12-venv",
        "make lint",
        "slurm start",
        "make test",
        "slurm stop",
    ]


def test_ci_installs_the_compiler_that_is_missing(ci, tmp_path):
    command, run = ci
    interpreter(tmp_path / "bin/python3", 313)
    script(tmp_path / "bin/g++", "exit 0")
    command("make")
    command("apt-get")
    finished, log = run()
    assert finished.returncode == 0
    assert "apt-get install -qq --no-install-recommends clang" in log


def test_ci_says_so_when_there_is_no_python_to_install(ci, tmp_path):
    command, run = ci
    compilers(tmp_path)
    command("make")
    command("apt-get")
    command("apt-cache", "exit 100")
    finished, log = run()
    assert finished.returncode == 1
    assert "No Python 3.12 or later" in finished.stderr
    assert "make test" not in log


def test_ci_says_so_when_there_is_no_apt(ci, tmp_path):
    _, run = ci
    finished, _ = run()
    assert finished.returncode == 1
    assert "Missing: make g++ clang python." in finished.stderr
