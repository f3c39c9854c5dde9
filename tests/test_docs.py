"""The README and the site: Python snippets run, links lead somewhere, and each public name has one place."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import scorematching as sm

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples" / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "api"),
]
_SNIPPET = re.compile(r"```python\n(.*?)```", re.DOTALL)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.filterwarnings("ignore:what was removed")  # where a guide shows a prior that does not suit
@pytest.mark.parametrize("page", [page for page in PAGES if _SNIPPET.search(page.read_text("utf-8"))], ids=name_of)
def test_snippets_run(page: Path, photograph: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All snippets of a page, one after the other, in a folder with a noisy image."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).normal(0, 25, photograph.shape)
    sm.write_image("noisy.png", np.clip(np.rint(photograph + noise), 0, 255).astype(np.uint8))
    names: dict[str, object] = {"torch": torch, "sm": sm, "__name__": "snippet"}
    for snippet in _SNIPPET.findall(page.read_text("utf-8")):
        exec(compile(snippet, name_of(page), "exec"), names)
    if "held_out" in names and "history" in names:  # "Fit your own energy" teaches what to watch
        history = names["history"]
        assert isinstance(history, list)
        assert history[-1] < history[0] - 10


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Links between files; the strict build checks the anchors of the site."""
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
        assert link.startswith("https://") or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_named_exist(page: Path) -> None:
    folders = (ROOT, ROOT / "src" / "scorematching", ROOT / "src" / "scorematching" / "curvature", ROOT / "examples")
    for path in re.findall(r"`([\w./-]+\.(?:py|toml|txt|md))`", page.read_text("utf-8")):
        assert any((folder / path).exists() for folder in folders), path


def test_each_command_has_a_row() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    commands = subprocess.run(
        [sys.executable, "-m", "scorematching", "--help"], capture_output=True, text=True, check=True
    ).stdout.partition("Commands")[2]
    names = re.findall(r"^\W ([a-z]+) ", commands, re.MULTILINE)
    assert set(names) >= {"denoise", "fit", "check"}
    assert [name for name in names if f"| `{name}` |" not in page] == []


def public_names() -> list[set[str]]:
    """The public paths of each public object."""
    found: dict[int, set[str]] = {}
    modules = {"scorematching": sm}
    modules |= {f"scorematching.{n}": m for n in sm.__all__ if isinstance(m := getattr(sm, n), ModuleType)}
    for path, module in modules.items():
        for name in module.__all__:
            value = getattr(module, name)
            if not isinstance(value, ModuleType) and not name.startswith("__"):
                found.setdefault(id(value), set()).add(f"{path}.{name}")
    return list(found.values())


def test_the_site_builds_and_documents_each_public_name_once(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs the docs extra")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = [page.read_text("utf-8") for page in (tmp_path / "site" / "api").glob("*.html")]
    places = Counter(name for page in pages for name in re.findall(r'<h\d id="(scorematching[\w.]*)"', page))
    for names in public_names():
        assert sum(places[name] for name in names) == 1, f"{sorted(names)} must have one place in docs/api"
