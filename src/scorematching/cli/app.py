"""Main program: its commands, and the handling of errors and warnings."""

from __future__ import annotations

import inspect
import logging
import re
import sys
import warnings
from typing import Annotated

import typer

from scorematching._version import __version__
from scorematching.cli import check, deblur, demo, denoise, fit, inpaint, noise, show, upscale
from scorematching.cli.console import FAILURES, print_error
from scorematching.cli.process import prepare, with_threads

_HELP = (
    "Fit image priors by regularized score matching, and restore images with them. "
    "To start, run [bold]scorematching demo[/bold], which takes under three minutes."
)
app = typer.Typer(
    name="scorematching",
    invoke_without_command=True,
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
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Handle the options of the program itself; without a command, print the help."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def _paragraphs(docstring: str | None) -> str:
    """Join the lines of each paragraph, so that the terminal wraps them. Examples keep their own lines."""
    return re.sub(r"(?<!\n)\n(?!\n|Example: )", " ", inspect.cleandoc(docstring or ""))


for command in (
    demo.demo,
    fit.fit,
    denoise.denoise,
    noise.noise,
    upscale.upscale,
    inpaint.inpaint,
    deblur.deblur,
    show.show,
    check.check,
):
    app.command(help=_paragraphs(command.__doc__))(with_threads(command))


def run(arguments: list[str] | None = None) -> None:
    """Run a command, as :func:`scorematching.cli.main` says."""
    prepare()
    arguments = sys.argv[1:] if arguments is None else arguments
    logging.getLogger().addHandler(logging.NullHandler())  # what libraries log is an error or a warning of ours
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: print_error(f"note: {message}")
            if "" in arguments:
                raise ValueError(
                    "an argument is empty, expected a file or a value: is a variable of the shell not set?"
                )
            code = app(args=arguments, standalone_mode=False)
    except FAILURES as error:
        print_error(f"error: {str(error) or type(error).__name__}")
        sys.exit(1)
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer's own errors about the command line have it
            raise
        message = error.format_message()
        if message.strip():  # otherwise there was no command, and the help has been shown
            print_error(f"error: {message} (see --help)")
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)
