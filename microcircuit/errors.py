"""Expected errors on the command line: told in words, with an exit status and no traceback."""

from typing import Any

import typer
from typer.core import TyperGroup

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130

EXIT_CODES: dict[str, int | None] = {
    "microcircuit.config.ConfigError": BAD_INPUT,
    "microcircuit.parameters.ParameterError": BAD_INPUT,
    "microcircuit.checks.CircuitError": BAD_INPUT,
    "microcircuit.results.ResultsError": BAD_INPUT,
    "microcircuit.recovery.FolderInUseError": BAD_INPUT,
    "microcircuit.segments.StorageError": FAILED,
    "microcircuit.devices.program.ProgramError": FAILED,
    "microcircuit.folders.DivergenceError": FAILED,
    "microcircuit.protocols.data.DataError": FAILED,
    "microcircuit.study.folder.StudyError": BAD_INPUT,
    "microcircuit.analysis.figures.study.StudyFigureError": BAD_INPUT,
    "microcircuit.analysis.circuits.circuit.ComparisonError": BAD_INPUT,
    "builtins.BrokenPipeError": None,  # typer's business
    "builtins.OSError": FAILED,
}
"""Errors that say all a user needs to know, by name: most of their modules take long to import."""


class Commands(TyperGroup):
    """The commands, with expected errors told in words."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            _complain("Interrupted.", interrupt)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            code = _exit_code(error)
            if code is None:
                raise
            _complain(f"Error: {error}", error)
            raise typer.Exit(code) from None


def is_expected(error: Exception) -> bool:
    """Tell whether an error's message says all that a user needs to know."""
    return _exit_code(error) is not None


def _exit_code(error: Exception) -> int | None:
    """Return the exit status for an expected error, None for any other."""
    names = (f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__)
    return next((EXIT_CODES[name] for name in names if name in EXIT_CODES), None)


def _complain(message: str, error: BaseException) -> None:
    """Print a message, and the notes that the error was given on its way."""
    typer.echo("\n".join([message, *getattr(error, "__notes__", ())]), err=True)
