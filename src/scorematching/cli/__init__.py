"""The command line, ``scorematching``: one file a command."""

from __future__ import annotations

import sys
import warnings

import typer

from scorematching.cli import check, demo, denoise, fit, show, upscale
from scorematching.cli.common import errors, keep_freed_memory

app = typer.Typer(
    name="scorematching",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Fit image priors by regularised score matching, and restore pictures with them. "
    "New here? [bold]scorematching demo[/bold] shows it all in under three minutes.",
)
app.command("demo")(demo.demo)
app.command("fit")(fit.fit)
app.command("denoise")(denoise.denoise)
app.command("upscale")(upscale.upscale)
app.command("show")(show.show)
app.command("check")(check.check)


def main(arguments: list[str] | None = None) -> None:
    """Run a command. Whatever goes wrong with the input ends in one line on stderr and a non-zero exit.

    Args:
        arguments: The command line without the program's name; by default the process's own.
    """
    keep_freed_memory()
    warnings.filterwarnings("ignore", category=UserWarning, module="tifffile")
    try:
        code = app(args=arguments, standalone_mode=False)
    except KeyboardInterrupt:
        errors.print("interrupted")
        sys.exit(130)
    except (ValueError, TypeError, OSError) as error:
        errors.print(f"error: {_one_line(error)}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except Exception as error:
        if not hasattr(error, "format_message"):  # what typer raises for a wrong command line has it
            raise
        message = _one_line(error.format_message())
        errors.print(f"error: {message} (see --help)", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


def _one_line(message: object) -> str:
    return " ".join(str(message).split())
