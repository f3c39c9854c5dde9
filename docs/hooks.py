"""Hooks of the site: convert formulas to MathML, and insert the table of the top-level names."""

from __future__ import annotations

import html
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from latex2mathml.converter import convert

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))  # the source beside this file, installed or not
import scorematching as sm

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
#: Signs without space around them.
_SIGNS = {
    "<mo>&#x02202;</mo>": "<mi>&#x02202;</mi>",
    "<mo>&#x0002F;</mo>": '<mo lspace="0" rspace="0">&#x0002F;</mo>',
}
_TABLE = "<!-- table of the top-level names -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Insert the table of the top-level names at its placeholder."""
    return markdown.replace(_TABLE, _names()) if _TABLE in markdown else markdown


def on_page_content(content: str, **_: Any) -> str:
    """Convert formulas to MathML, which browsers draw without a script."""
    return _FORMULA.sub(_formula, content)


def _formula(found: re.Match[str]) -> str:
    display = "block" if found[2] == "[" else "inline"
    formula = convert(html.unescape(found[3]), display=display)
    for sign, better in _SIGNS.items():
        formula = formula.replace(sign, better)
    return f'<{found[1]} class="formula">{formula}</{found[1]}>'


def _names() -> str:
    """Return a table of names and first sentences, in alphabetical order: functions and classes, then packages."""
    rows: dict[bool, list[str]] = {False: [], True: []}
    for name in sorted(sm.__all__, key=str.lower):
        value = getattr(sm, name)
        package = isinstance(value, ModuleType)
        if name.startswith("__"):
            continue
        link = f"[`sm.{name}`]({name}.md)" if package else f"[`sm.{name}`][scorematching.{name}]"
        rows[package].append(f"| {link} | {_summary(value)} |")
    head = ["| name | purpose |", "|---|---|"]
    packages = ["", "## The packages", "", "| package | contents |", "|---|---|", *rows[True]]
    return "\n".join([*head, *rows[False], *packages])


def _summary(value: object) -> str:
    """Return the first sentence of a docstring."""
    paragraph = " ".join((inspect.getdoc(value) or "").partition("\n\n")[0].split())
    paragraph = re.sub(r":\w+:`~?([\w.]+)`", r"`\1`", paragraph.replace("``", "`"))
    return re.split(r"(?<=[^.]\.)\s", paragraph)[0].replace("|", "\\|")
