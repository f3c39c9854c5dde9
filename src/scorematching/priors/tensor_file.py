"""Files of tensors: safetensors with one JSON entry that describes them, and a checksum of all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from scorematching.images.io.atomic import write_atomically
from scorematching.images.io.limits import check_file

#: Name of the only metadata entry in a file. There is only one, because safetensors does not keep the order of several,
#: and the same training must give the same bytes.
_KEY = "scorematching"
#: Section of the entry that has the checksum.
_CHECKSUM = "checksum"
#: Maximum length of the entry in characters. Lists and dictionaries take up to 30 times the memory of their text.
_LONGEST = 32 * 1024**2


def digest(tensors: Mapping[str, Tensor], entries: Mapping[str, Any]) -> str:
    """Return the SHA-256 of entries, and of the names, types, shapes and bytes of tensors.

    Example:
        >>> digest({"w": torch.zeros(2)}, {}) == digest({"w": -torch.zeros(2)}, {})
        False
    """
    found = hashlib.sha256(json.dumps(entries, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


def write_tensors(path: str | Path, tensors: Mapping[str, Tensor], entries: Mapping[str, Any]) -> None:
    """Write tensors and JSON entries to a safetensors file with their checksum, atomically.

    Raises:
        FileNotFoundError: The folder does not exist.
    """
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps({**entries, _CHECKSUM: digest(stored, entries)}, sort_keys=True)
    write_atomically(path, save(stored, {_KEY: text}))


@dataclass(frozen=True)
class TensorFile:
    """File of tensors whose header has been read. Nothing else has been read, and no memory taken.

    Attributes:
        path: The file.
        entries: JSON entries of the file, without the checksum.
        shapes: Shapes of its tensors, by name.
        checksum: Checksum that the file states.
        file: The open file.
    """

    path: Path
    entries: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    checksum: object
    file: Any

    def tensors(self, remedy: str) -> dict[str, Tensor]:
        """Read the tensors. They take the memory of the file.

        Args:
            remedy: What to do if the file is damaged, in words.

        Raises:
            ValueError: The file does not have the checksum that it states.
        """
        tensors = {name: self.file.get_tensor(name) for name in self.shapes}
        if digest(tensors, self.entries) != self.checksum:
            raise ValueError(f"{self.path} is damaged: its weights do not have the checksum that it states: {remedy}")
        return tensors


@contextmanager
def opened(path: str | Path) -> Iterator[TensorFile]:
    """Context manager that opens a file of :func:`write_tensors` and reads its header.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a safetensors file of this library.
    """
    path = Path(path)
    check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            entries = _entries(path, (file.metadata() or {}).get(_KEY))
            yield TensorFile(path, entries, shapes, entries.pop(_CHECKSUM, None), file)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from None


def _entries(path: Path, text: str | None) -> dict[str, Any]:
    """Return the entries of a file from their text."""
    if text is not None and len(text) > _LONGEST:
        raise ValueError(f"{path} is damaged: its description has {len(text)} characters, expected {_LONGEST} at most")
    try:
        entries = None if text is None else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: its description is not JSON: {error}") from None
    if not isinstance(entries, dict):
        raise ValueError(f"{path} is a safetensors file, but was not written by scorematching")
    return entries
