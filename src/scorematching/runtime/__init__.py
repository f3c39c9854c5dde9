"""Compilation, precision, functional calls, validation and progress."""

import os
import sys

import lazy_loader


def _use_one_thread() -> None:
    """Use one thread in a forked process: the other threads of PyTorch, which the parent had, are not there."""
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_use_one_thread)

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
