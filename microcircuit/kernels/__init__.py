"""Code templates of the engine, one file per kernel and target, and the object that runs one.

Each kernel exists as ``NAME.py_`` (numpy), ``NAME.cpp`` (C++ standalone) and ``NAME.cu`` (CUDA
standalone). They are added to Brian2's own templates by `Templater.derive`, so they may extend
``common_group`` and use whatever Brian2's templates use.
"""

from collections.abc import Mapping, Sequence

from brian2.codegen.codeobject import CodeObject
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.core.variables import Variables
from brian2.devices.device import RuntimeDevice, get_device
from brian2.groups.group import CodeRunner, Group


def _add_templates(target: type[CodeObject]) -> None:
    """Add ours to the templates of a class of code objects, once."""
    if __name__ not in target.templater.package_names:
        target.templater = target.templater.derive(__name__)


def _check_template(target: type[CodeObject], template: str) -> None:
    """Raise NotImplementedError if a target lacks a kernel; not all that there is runs on CUDA."""
    try:
        target.templater.templates.get_template(template)
    except KeyError:
        raise NotImplementedError(
            f"the kernel {template!r} is there for numpy and C++ standalone, not for this device"
        ) from None


class Kernel(CodeRunner):
    """Runs one template every time step, with references to variables of several objects.

    Parameters
    ----------
    group : Group
        Whose variables the abstract code may use.
    template : str
        Name of the template, without extension.
    name : str
        Unique name of the object.
    references : mapping of str to (Group, str)
        Variables of other objects, by the name that the template uses.
    code : str or dict of str, optional
        Abstract code that the template places in its loop, or in several by their names.
    outputs : sequence of str, optional
        Names that the abstract code assigns and only the template reads.
    constants : mapping, optional
        Further values for the template.
    when, order : str, int
        Place in Brian2's schedule.

    Raises
    ------
    NotImplementedError
        The device has no such kernel.
    """

    def __init__(
        self,
        group: Group,
        template: str,
        *,
        name: str,
        references: Mapping[str, tuple[Group, str]],
        when: str,
        order: int,
        code: str | dict[str, str] = "",
        outputs: Sequence[str] = (),
        constants: Mapping[str, object] | None = None,
    ) -> None:
        # A run on Brian2's runtime device has only the numpy form of these templates.
        on_runtime = isinstance(get_device(), RuntimeDevice)
        target = NumpyCodeObject if on_runtime else get_device().code_object_class()
        _add_templates(target)
        _check_template(target, template)
        CodeRunner.__init__(
            self,
            group=group,
            template=template,
            code=code,
            name=name,
            clock=group.clock,
            when=when,
            order=order,
            check_units=False,
            needed_variables=list(references),
            template_kwds=dict(constants or {}),
            codeobj_class=NumpyCodeObject if on_runtime else None,
        )
        self.variables = Variables(self)
        for key, (owner, variable) in references.items():
            self.variables.add_reference(key, owner, variable)
        for output in outputs:
            self.variables.add_auxiliary_variable(output)
