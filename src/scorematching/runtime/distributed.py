"""Several processes that train together, as ``torchrun`` starts them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor


class LostProcessError(RuntimeError):
    """A process of a distributed computation has ended."""


class Processes(NamedTuple):
    """The processes that compute together.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of all processes.

    Example:
        >>> Processes.current()
        Processes(rank=0, size=1)
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> Processes:
        """Return those of the default process group of PyTorch; this process alone if there is none."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors of one type by their means over all processes, in one message.

        Raises:
            LostProcessError: Another process has ended.

        Example:
            >>> Processes().average([torch.ones(2)])
        """
        if self.size == 1 or not tensors:
            return
        joined = torch.cat([tensor.flatten() for tensor in tensors])
        try:
            dist.all_reduce(joined)
        except RuntimeError as error:
            raise LostProcessError("another process of the training has ended, or can't be reached") from error
        joined /= self.size
        for tensor, mean in zip(tensors, joined.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))


def is_first_launched() -> bool:
    """Return whether this process is the first that ``torchrun`` has started, or was started without it."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def launched(device: torch.device) -> Iterator[tuple[Processes, torch.device]]:
    """Join the processes that ``torchrun`` has started, if it has.

    If one of them is lost, ``torchrun`` ends the others by a signal, which raises an error here.

    Args:
        device: Device to compute on. Processes on ``cuda`` take one GPU each, by their numbers on the machine.

    Yields:
        The processes, and the device of this one.

    Raises:
        LostProcessError: Another process has ended.

    Example:
        >>> with launched(torch.device("cpu")) as (processes, device):
        ...     processes.size
        1
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield Processes.current(), device
        return
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    before, lost = signal.signal(signal.SIGTERM, _raise_lost), False
    try:
        yield Processes.current(), device
    except LostProcessError:
        lost = True
        raise
    finally:
        # After a loss, this process ends by itself and says why. Leaving the group could wait for the lost process.
        signal.signal(signal.SIGTERM, signal.SIG_IGN if lost else before)
        if not lost:
            dist.destroy_process_group()


def _raise_lost(*_: object) -> NoReturn:
    raise LostProcessError("another process of the training has ended")
