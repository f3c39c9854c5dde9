"""Where PyTorch keeps what it has compiled."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import torch

#: Environment variable of PyTorch with the folder.
VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
#: Start of the name of the folder that PyTorch chooses among the temporary files. The rest is the name of the user.
_DEFAULT = "torchinductor_"


def use_private_cache() -> None:
    """Let PyTorch keep compiled programs in a folder of the user, such as ``~/.cache/torch/inductor``.

    By default they are in the folder for temporary files, under a name that other users can guess. Whoever creates it
    first decides what is run. If the folder of the user can't be used, a new temporary one is, until the process ends.
    ``TORCHINDUCTOR_CACHE_DIR`` takes precedence, unless it is that default, which PyTorch sets it to when
    ``torch._dynamo`` is imported.
    """
    given = Path(os.environ.get(VARIABLE, Path(tempfile.gettempdir(), _DEFAULT)))
    if given.parent != Path(tempfile.gettempdir()).absolute() or not given.name.startswith(_DEFAULT):
        return
    folder = Path(torch.hub.get_dir()).parent / "inductor"
    if _is_private(folder):
        os.environ[VARIABLE] = str(folder)
    else:
        os.environ[VARIABLE] = temporary = tempfile.mkdtemp(prefix="scorematching-")
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)


def _is_private(folder: Path) -> bool:
    """Create a folder if it does not exist. Return whether only this user can write to it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError:
        return False
    own = os.name != "posix" or (found.st_uid == os.getuid() and not found.st_mode & 0o022)
    return own and os.access(folder, os.W_OK)
