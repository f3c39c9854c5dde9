"""Training loop: minimize the score matching loss of random crops, and keep the state with the best held-out loss."""

from __future__ import annotations

import math
import time
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.priors.batch import Crops
from scorematching.priors.store import describe_prior, read_tensors, write_tensors
from scorematching.runtime.compiling import backend
from scorematching.runtime.precision import in_bfloat16
from scorematching.runtime.progress import Progress, ProgressCallback
from scorematching.training.crops import CropStream
from scorematching.training.descent import Descent
from scorematching.training.result import FitResult

#: Interval between checkpoints in seconds. An interrupted training loses about this time.
SECONDS_BETWEEN_SAVES = 2.0


class Trainer:
    """State of a training, and its steps.

    Args:
        prior: Prior, which is trained in place.
        stream: Training batches.
        held_out: Held-out batch.
        rate: Largest learning rate.
    """

    def __init__(self, prior: Prior, stream: CropStream, held_out: Crops, rate: float) -> None:
        self.prior, self.stream, self.rate = prior, stream, rate
        self.steps, self.step, self.running = prior.provenance.steps, 0, 0.0
        self.device = next(prior.parameters()).device
        self.held_out = held_out
        self.descent = Descent([*prior.parameters()], prior.matrices, rate, self.steps)
        self.result = FitResult(prior)
        self.best_state = self._copy()
        self.checkpoint: Path | None = None
        self.interval = max(1, min(50, self.steps // 10))

    def run(self, progress: ProgressCallback | None) -> FitResult:
        """Train to the last step; return the result with the best state."""
        start, first, saved = time.monotonic(), self.step, time.monotonic()
        while self.step < self.steps:
            self._advance()
            if self.step % self.interval == 0 or self.step == self.steps:
                self._evaluate()
            if self.checkpoint is not None and time.monotonic() - saved >= SECONDS_BETWEEN_SAVES:
                self._save(self.checkpoint)
                saved = time.monotonic()
            if progress is not None and (self.step % 5 == 0 or self.step == self.steps):
                progress(self._progress(time.monotonic() - start, self.step - first))
        self.prior.load_state_dict(self.best_state)
        return self.result

    def _progress(self, seconds: float, done: int) -> Progress:
        latest = self.result.history[-1][2] if self.result.history else math.nan
        figures = {"loss": self.running, "held out": latest, "steps/s": done / seconds}
        return Progress(self.step, self.steps, figures)

    def _advance(self) -> None:
        """Take one step."""
        loss = self._loss(self.stream[self.step], 1 + self.step)
        value = loss.item()
        if not math.isfinite(value):
            raise ValueError(
                f"the loss became {value} at step {self.step}: lower rate ({self.rate:g}), or raise lam "
                f"({self.prior.provenance.lam:g})"
            )
        self.descent.step(loss)
        self.prior.constrain()
        self.running = value if self.step == 0 else 0.98 * self.running + 0.02 * value
        self.step += 1

    def _evaluate(self) -> None:
        """Compute the held-out loss, and keep the state if the loss is the best so far."""
        with torch.no_grad():
            value = float(self._loss(self.held_out, 0))
        self.result.history.append((self.step, self.running, value))
        if value < self.result.best:
            self.result.best, self.best_state = value, self._copy()

    def _loss(self, crops: Crops, number: int) -> Tensor:
        """Return the loss of a batch. ``number`` seeds the random probes; it is always 0 for the held-out batch."""
        return self.prior.loss(crops.to(self.device), self.prior.provenance.lam, self._generator(number))

    def _generator(self, number: int) -> torch.Generator:
        seed = np.random.SeedSequence((self.prior.provenance.seed, number)).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(seed))

    def _copy(self) -> dict[str, Tensor]:
        return {name: t.detach().clone() for name, t in self.prior.state_dict().items()}

    def use_checkpoint(self, path: Path) -> None:
        """Save the state to a file from now on, and continue from the file if it exists.

        Raises:
            ValueError: The file is the checkpoint of another training.
        """
        self.checkpoint = path
        if not path.exists():
            return
        tensors, entries = read_tensors(path)
        if entries.get("training") != self._identity():
            raise ValueError(f"{path} is not the checkpoint of this training: remove it, or choose another file")
        self.step, self.running = entries["step"], entries["running"]
        self.result.history = [tuple(row) for row in entries["history"]]
        self.result.best = entries["best"]
        self.prior.load_state_dict(_unprefixed(tensors, "now"))
        self.best_state = _unprefixed(tensors, "best")
        self.descent.load_state(_unprefixed(tensors, "descent"), entries["descent"])

    def _save(self, path: Path) -> None:
        tensors = {f"now.{n}": t for n, t in self.prior.state_dict().items()}
        tensors |= {f"best.{n}": t for n, t in self.best_state.items()}
        moments, descent = self.descent.state()
        tensors |= {f"descent.{n}": t for n, t in moments.items()}
        entries = {
            "training": self._identity(),
            "step": self.step,
            "running": self.running,
            "history": self.result.history,
            "best": self.result.best,
            "descent": descent,
        }
        write_tensors(path, {n: t.detach().cpu().contiguous() for n, t in tensors.items()}, entries)

    def _identity(self) -> dict[str, object]:
        """Return the settings that a checkpoint must share with this training, so that the result is the same."""
        stream = self.stream
        settings = {
            "rate": self.rate,
            "batch": stream.batch,
            "crop": stream.crop,
            "fresh": stream.fresh,
            "max_level": stream.max_level,
            "threads": torch.get_num_threads(),
            "backend": backend(),
            "bfloat16": in_bfloat16(),
            "device": self.device.type,
            "held out": [zlib.crc32(tensor.numpy().tobytes()) for tensor in self.held_out],
        }
        planes = [
            [plane.name, *plane.shape, plane.data_range, plane.checksum, plane.contrast, repr(plane.noise)]
            for plane in stream.planes
        ]
        return {**describe_prior(self.prior), **settings, "planes": planes}


def _unprefixed(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix + "."): t for n, t in tensors.items() if n.startswith(prefix + ".")}
