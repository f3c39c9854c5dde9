"""Conversion of docstrings for the site: doctests to code, roles to links, ``#:`` comments to docstrings."""

from __future__ import annotations

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^(\s*)Example:", re.MULTILINE)
_ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc):`~?([\w.]+)`")


class Docstrings(griffe.Extension):
    """Extension that prepares each docstring for Markdown."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Convert the docstring of an object, or find one. Remove those of modules."""
        if isinstance(obj, griffe.Module):
            obj.docstring = None
        if obj.docstring is None and isinstance(obj, griffe.Attribute):
            obj.docstring = _comment_above(obj) or (
                griffe.Docstring("A constant.", parent=obj) if obj.name.isupper() else None
            )
        if obj.docstring is not None:
            text = _EXAMPLE.sub(r"\1Examples:", obj.docstring.value)
            obj.docstring.value = _ROLE.sub(_link, text)

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Document the function, not the module, if a public function has the name of its module."""
        for module in [pkg, *pkg.modules.values()]:
            for name in module.exports or ():
                found = module.members.get(str(name))
                if isinstance(found, griffe.Module) and str(name) in found.members:
                    module.members[str(name)] = griffe.Alias(str(name), found.members[str(name)], parent=module)


def _link(role: re.Match[str]) -> str:
    """Return a link if the site documents the name, and otherwise the name alone."""
    name = role[1]
    return f'<autoref optional identifier="{name}"><code>{name.rpartition(".")[2]}</code></autoref>'


def _comment_above(attribute: griffe.Attribute) -> griffe.Docstring | None:
    """Return the ``#:`` comment in the lines above an attribute."""
    if attribute.lineno is None or isinstance(attribute.filepath, list):
        return None
    lines = attribute.lines_collection[attribute.filepath][: attribute.lineno - 1]
    found: list[str] = []
    while lines and lines[-1].lstrip().startswith("#:"):
        found.insert(0, lines.pop().lstrip()[2:].strip())
    return griffe.Docstring(" ".join(found), parent=attribute) if found else None
