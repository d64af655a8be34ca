"""Expressions of neurons, evaluated in every step: in stages, each a loop of its own.

The soft rectifier ``log(1 + exp(x))`` is a chain of a hundred cycles, in which each operation waits
for the one before. A processor works on several neurons at once meanwhile, but on no more than it
can look ahead to. So a first loop evaluates x and exp(-|x|), and a second one the rest, each with
half the chain: that takes two thirds of the time.
"""

import re
from collections.abc import Mapping

from brian2 import Equations, NeuronGroup
from brian2.equations.equations import FLOAT, SUBEXPRESSION, SingleEquation
from brian2.utils.stringtools import get_identifiers, word_substitute

from microcircuit import elementary
from microcircuit.kernels import Kernel

POSITIVE, DECAY, LOG = (
    elementary.PREFIX + name for name in ("positive", "decay", "log1p_of_fraction")
)


class Evaluation(Kernel):
    """Sets variables of a group to the values of expressions, one after the other.

    Parameters
    ----------
    group : NeuronGroup
        Whose variables they are.
    expressions : mapping of str to str
        By variable, in Brian2's language.
    equations : Equations
        Of the group; its subexpressions are put in where expressions use them.
    name : str
        Unique name of the object.
    when, order : str, int
        Place in Brian2's schedule.
    """

    def __init__(
        self,
        group: NeuronGroup,
        expressions: Mapping[str, str],
        equations: Equations,
        *,
        name: str,
        when: str,
        order: int,
    ) -> None:
        loops: list[str] = []
        for target, expression in expressions.items():
            first, last = stages(target, inlined(expression, equations))
            for variable in first:
                group.variables.add_array(variable, size=len(group))
            if first:
                loops.append("\n".join(f"{key} = {value}" for key, value in first.items()))
            loops.append(f"{target} = {last}")
        super().__init__(
            group,
            "evaluate",
            name=name,
            references={},
            code={str(number): code for number, code in enumerate(loops)},
            constants={"stages": [str(number) for number in range(len(loops))]},
            when=when,
            order=order,
        )


def stages(target: str, expression: str) -> tuple[dict[str, str], str]:
    """Return what is evaluated first, by new variables, and what the target then is.

    Both with the engine's own functions (`microcircuit.elementary`).

    Parameters
    ----------
    target : str
        Variable that is set.
    expression : str
        In Brian2's language.
    """
    first: dict[str, str] = {}

    def rest(found: re.Match[str]) -> str:
        argument, decay = (f"_{target}_{part}_{len(first) // 2}" for part in ("argument", "decay"))
        first[argument] = elementary.substituted(found[1])
        first[decay] = f"{DECAY}({argument})"
        return f"({POSITIVE}({argument}) + {LOG}({decay}))"

    last = elementary.SOFTPLUS.sub(rest, expression)
    return first, elementary.substituted(last)


def inlined(expression: str, equations: Equations) -> str:
    """Return an expression with subexpressions in place of their names.

    Those that are constant over dt keep their names: they are variables. So do whole numbers and
    truth values, into which what is computed is converted.

    Parameters
    ----------
    expression : str
        In Brian2's language.
    equations : Equations
        Where subexpressions are defined.
    """
    return word_substitute(
        expression,
        {
            name: f"({inlined(equations[name].expr.code, equations)})"
            for name in get_identifiers(expression) & set(equations)
            if _put_in(equations[name])
        },
    )


def _put_in(equation: SingleEquation) -> bool:
    return (
        equation.type == SUBEXPRESSION
        and equation.var_type == FLOAT
        and "constant over dt" not in equation.flags
    )
