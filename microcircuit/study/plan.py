"""Plans: a study's points, checked one and all, and which of them can share a program."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from microcircuit.checks import CircuitError
from microcircuit.config import Config, ConfigError, RawConfig, override, to_dict
from microcircuit.parameters import ParameterError
from microcircuit.study.design import StudyFile
from microcircuit.study.kinship import digest, kinship_of
from microcircuit.study.spaces import Changes
from microcircuit.work import work_of

type Resolve = Callable[..., Config]
"""Completes a configuration with the defaults of its protocol; `plain_numbers` as `config.resolve`
has it."""

MOST_PROBLEMS = 20
MOST_TOGETHER = 16
"""Replicates of one program: more of them share its steps, but gain nothing any more."""
CACHE_BYTES = 2**22
"""Of the matrices of all replicates: beyond, one waits for memory longer than is gained."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run of a study.

    Parameters
    ----------
    id : str
        Hash of the resolved configuration: the name of its folder, on any engine.
    seed : int
        Of the run.
    given, changes : mapping
        What sets it apart from other points, by dotted parameter: as given, and as resolved.
    config : mapping
        The whole configuration.
    group : str
        Points of one group differ in numbers only, and can be computed together.
    program : str
        Points of one program share its code, whether or not they can be computed together.
    presentations : int
        How many the run has.
    replicates : int
        Of its circuit: with more than one, it fills a program by itself.
    synapses, steps : int
        How large its circuit is, replicates included, and how long it runs, probes included.
    """

    id: str
    seed: int
    given: Changes
    changes: Changes
    config: Mapping[str, Any]
    group: str
    program: str
    presentations: int
    replicates: int
    synapses: int
    steps: int


def points_of(
    study: StudyFile, combinations: Sequence[Changes], resolve: Resolve
) -> tuple[Point, ...]:
    """Resolve and check combinations of values, each with every seed.

    Parameters
    ----------
    study : StudyFile
        What they belong to.
    combinations : sequence of mapping
        Values by dotted parameter.
    resolve : callable
        Completes a configuration.

    Returns
    -------
    tuple of Point
        In the order of combinations; seeds change fastest.

    Raises
    ------
    ConfigError
        With what is wrong with any of the points, each problem once, on a line.
    """
    problems: dict[str, str] = {}
    points: list[Point] = []
    for changes in combinations:
        try:
            points += _points(study, changes, resolve)
        except (ConfigError, CircuitError, ParameterError) as error:
            for line in str(error).splitlines():
                told_already = not changes or any(key in line for key in changes)
                problems.setdefault(line, "" if told_already else f"  (with {_named(changes)})")
    if problems:
        told = [line + example for line, example in problems.items()]
        if len(told) > MOST_PROBLEMS:
            told = [*told[:MOST_PROBLEMS], f"... and {len(told) - MOST_PROBLEMS} more problems"]
        raise ConfigError("\n".join(told))
    refuse_repeated(points)
    return tuple(points)


def refuse_repeated(points: Sequence[Point]) -> None:
    """Raise ConfigError if two points are the same."""
    found: dict[str, Point] = {}
    for point in points:
        if point.id in found:
            raise ConfigError(
                f"two points are the same: {_named(found[point.id].given)} and "
                f"{_named(point.given)}, seed {point.seed}"
            )
        found[point.id] = point


def _named(changes: Changes) -> str:
    return ", ".join(f"{key} = {value!r}" for key, value in changes.items())


def _points(study: StudyFile, changes: Changes, resolve: Resolve) -> list[Point]:
    """Return the points of a combination; its experiment is built once, as that takes longest."""
    seed = study.seeds[0]
    raw = override(
        RawConfig(protocol=study.protocol, seed=seed, sections={}), {**study.fixed, **changes}
    )
    config = resolve(raw, plain_numbers=True)
    plain = to_dict(config)
    work = work_of(config)
    first = Point(
        id=digest(plain),
        seed=seed,
        given=dict(changes),
        changes={key: _value(plain, key) for key in changes},
        config=plain,
        **asdict(kinship_of(work, config)),
    )
    configs = [{**plain, "seed": seed} for seed in study.seeds]
    return [replace(first, id=digest(one), seed=one["seed"], config=one) for one in configs]


def _value(config: Mapping[str, Any], key: str) -> object:
    """Return a parameter's resolved value; a list of one, as rates may be given, as that one."""
    section, _, name = key.partition(".")
    value = config[section][name]
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def together(points: Sequence[Point], workers: int) -> int:
    """Return how many points of a group are best computed as replicates of one program.

    Parameters
    ----------
    points : sequence of Point
        What is left to do of a group.
    workers : int
        How many share the work.

    Returns
    -------
    int
        Such that matrices stay in the processor's cache, all workers have work, and few places of
        the last program remain empty.
    """
    first = points[0]
    # Numpy gains nothing; a GPU would want hundreds at once.
    if first.replicates > 1 or _device(first) != "cpp":
        return 1
    fitting = CACHE_BYTES // (16 * first.synapses)
    most = min(MOST_TOGETHER, fitting, -(-len(points) // workers))
    if most <= 1:
        return 1

    def empty(places: int) -> int:
        rounds = -(-len(points) // (places * workers))
        return rounds * places * workers - len(points)

    return max(range(-(-most // 2), most + 1), key=lambda places: (-empty(places), places))


def _device(point: Point) -> str | None:
    """Return where a point's circuit is computed; None if it has none."""
    return point.config.get("device", {}).get("name")


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What is to be done, in numbers.

    Parameters
    ----------
    points : int
        How many.
    groups : tuple of (int, int)
        For each group its points, and how many of them are computed together.
    programs : int
        How many are compiled.
    """

    points: int
    groups: tuple[tuple[int, int], ...]
    programs: int


def outline(points: Sequence[Point], workers: int) -> Outline:
    """Return how points will be computed.

    Parameters
    ----------
    points : sequence of Point
        What is left to do.
    workers : int
        How many share the work.
    """
    groups = grouped(points)
    sizes = {name: together(members, workers) for name, members in groups.items()}
    compiled = {
        (members[0].program, sizes[name])
        for name, members in groups.items()
        if _device(members[0]) not in ("numpy", None)
    }
    return Outline(
        points=len(points),
        groups=tuple((len(members), sizes[name]) for name, members in groups.items()),
        programs=len(compiled),
    )


def grouped(points: Sequence[Point]) -> dict[str, list[Point]]:
    """Return points by group, in their order."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.group, []).append(point)
    return groups


def to_plain(point: Point) -> dict[str, Any]:
    """Return a point as plain data, ready for JSON."""
    return asdict(point)


def from_plain(content: Mapping[str, Any]) -> Point:
    """Return the point that `to_plain` wrote."""
    return Point(**content)
