"""Optional packages: loaded when they are needed, and named when they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def required(module: str, extra: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: Name of the module.
        extra: Extra of this library that installs it.

    Raises:
        ValueError: The package is not installed.

    Example:
        >>> required("missing.part", "formats")
        Traceback (most recent call last):
        ValueError: this needs the package missing: pip install 'scorematching[formats]'
    """
    try:
        return import_module(module)
    except ImportError:
        package = module.split(".", maxsplit=1)[0]
        raise ValueError(f"this needs the package {package}: pip install 'scorematching[{extra}]'") from None
