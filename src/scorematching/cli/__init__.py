"""The command line, ``scorematching``: one file a command."""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from typing import Annotated

import typer

from scorematching._version import __version__
from scorematching.cli import check, demo, denoise, fit, inverse, show, upscale
from scorematching.cli.common import errors, keep_freed_memory

_HELP = (
    "Fit image priors by regularized score matching, and restore images with them. "
    "New here? [bold]scorematching demo[/bold] shows it all in under three minutes."
)
app = typer.Typer(
    name="scorematching",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(help=_HELP)
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of the program itself."""


def _paragraphs(docstring: str | None) -> str:
    """A docstring whose lines the terminal breaks and not the source, but for the examples: one a line."""
    return re.sub(r"(?<!\n)\n(?!\n|Example: )", " ", inspect.cleandoc(docstring or ""))


for command in (
    demo.demo,
    fit.fit,
    denoise.denoise,
    upscale.upscale,
    inverse.inpaint,
    inverse.deblur,
    show.show,
    check.check,
):
    app.command(help=_paragraphs(command.__doc__))(command)


def main(arguments: list[str] | None = None) -> None:
    """Run a command. Whatever goes wrong with the input ends in one line on stderr and a non-zero exit.

    Args:
        arguments: The command line without the program's name; by default the process's own.
    """
    keep_freed_memory()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: _show_warning(message)
            code = app(args=arguments, standalone_mode=False)
    except (ValueError, TypeError, OSError, RuntimeError, MemoryError, OverflowError) as error:
        errors.print(
            f"error: {_one_line(error) or type(error).__name__}", markup=False, highlight=False, soft_wrap=True
        )
        sys.exit(1)
    except Exception as error:
        if not hasattr(error, "format_message"):  # what typer raises for a wrong command line has it
            raise
        message = _one_line(error.format_message())
        if not message:  # no command: the help has been shown
            sys.exit(2)
        errors.print(f"error: {message} (see --help)", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


def _one_line(message: object) -> str:
    return " ".join(str(message).split())


def _show_warning(message: Warning | str) -> None:
    errors.print(f"note: {_one_line(message)}", markup=False, highlight=False, soft_wrap=True)
