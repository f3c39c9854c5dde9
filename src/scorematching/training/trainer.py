"""The training loop: descent on the score matching loss of random crops, the best held-out state kept."""

from __future__ import annotations

import dataclasses
import math
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.priors.deep import DeepPrior
from scorematching.priors.store import read_tensors, write_tensors
from scorematching.runtime.compiling import backend
from scorematching.runtime.precision import in_bfloat16
from scorematching.training.crops import Crops, CropStream
from scorematching.training.descent import Descent

#: An interrupted training loses no more than this.
SECONDS_BETWEEN_SAVES = 2.0


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes:
        step: Steps done.
        steps: Steps in all.
        loss: Loss a pixel, a running mean.
        held_out: Latest loss a pixel on held-out crops.
        speed: Steps a second in this run.
    """

    step: int
    steps: int
    loss: float
    held_out: float
    speed: float


@dataclass
class FitResult:
    """A fitted prior, and how the training went.

    Attributes:
        prior: The state with the best held-out loss.
        history: Triples (step, loss, held-out loss), the losses a pixel and in units of ``prior.info.unit``.
        best: The best held-out loss.
        expected_psnr: Of one Tweedie step on held-out noisy images, before clipping, in dB with white at 1: Stein's
            estimate, which needs no clean image. It is unbiased for Gaussian noise, and too high where the noise was
            clipped to the range of the file. With a gain it is that of the stabilized images. ``None`` for clean
            training data, and where no noise is left.
        psnr: The true one, where clean images were given to compare with.
        found: The lowest and the highest noise level of the images themselves, white being 1; 0 where they are clean.
    """

    prior: Prior
    history: list[tuple[int, float, float]] = field(default_factory=list)
    best: float = math.inf
    expected_psnr: float | None = None
    psnr: float | None = None
    found: tuple[float, float] = (0.0, 0.0)


class Trainer:
    """The state of a training, and its steps."""

    def __init__(self, prior: Prior, stream: CropStream, held_out: Crops, rate: float) -> None:
        self.prior, self.stream, self.rate = prior, stream, rate
        self.steps, self.step, self.running = prior.info.steps, 0, 0.0
        self.device = next(prior.parameters()).device
        self.held_out = held_out
        self.prior.fit_preprocessing(self._first_crops)
        self.descent = Descent([*prior.parameters()], prior.matrices, rate, self.steps)
        self.result = FitResult(prior)
        self.best_state = self._copy()
        self.checkpoint: Path | None = None
        self.interval = max(1, min(50, self.steps // 10))

    def _first_crops(self) -> Tensor:
        return torch.cat([self.stream[i].pixels for i in range(32)]).to(self.device)

    def run(self, progress: Callable[[Progress], None] | None) -> FitResult:
        """Go on to the last step."""
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
        return Progress(self.step, self.steps, self.running, latest, done / seconds)

    def _advance(self) -> None:
        """One step."""
        loss = self._loss(self.stream[self.step], 1 + self.step)
        value = loss.item()
        if not math.isfinite(value):
            raise ValueError(
                f"the loss became {value} at step {self.step}: lower the rate ({self.rate:g}), or raise lam "
                f"({self.prior.info.lam:g})"
            )
        self.descent.step(loss)
        self.prior.constrain()
        self.running = value if self.step == 0 else 0.98 * self.running + 0.02 * value
        self.step += 1

    def _evaluate(self) -> None:
        """The held-out loss; the state is kept if it is the best so far."""
        with torch.no_grad():
            value = float(self._loss(self.held_out, 0))
        self.result.history.append((self.step, self.running, value))
        if value < self.result.best:
            self.result.best, self.best_state = value, self._copy()

    def _loss(self, crops: Crops, number: int) -> Tensor:
        """Of a batch, with the random probes of that number: 0 for the held-out crops, the same at each look."""
        crops, generator = crops.to(self.device), self._generator(number)
        if not isinstance(self.prior, DeepPrior):
            return self.prior.loss(crops.pixels, generator)
        noise = crops.noise if self.stream.blind else None
        return self.prior.loss(crops.pixels, generator, noise, None if self.prior.info.lam else crops.added)

    def _generator(self, number: int) -> torch.Generator:
        seed = np.random.SeedSequence((self.prior.info.seed, number)).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(seed))

    def _copy(self) -> dict[str, Tensor]:
        return {name: t.detach().clone() for name, t in self.prior.state_dict().items()}

    def use_checkpoint(self, path: Path) -> None:
        """Keep the state in a file, and start from it if it exists.

        Raises:
            ValueError: The file holds the state of another training.
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
        """What must be equal for a checkpoint to be of this training, and for the same bits to come out."""
        stream = self.stream
        settings = {
            "rate": self.rate,
            "batch": stream.batch,
            "crop": stream.crop,
            "fresh": stream.sigma,
            "max_sigma": stream.max_sigma,
            "threads": torch.get_num_threads(),
            "backend": backend(),
            "bfloat16": in_bfloat16(),
            "device": self.device.type,
            "held out": [zlib.crc32(tensor.numpy().tobytes()) for tensor in self.held_out],
        }
        planes = [
            [plane.name, *plane.shape, plane.data_range, plane.checksum, plane.contrast, repr(plane.stabilizer)]
            for plane in stream.planes
        ]
        info = self.prior.info
        return {**dataclasses.asdict(info), "levels": list(info.levels), **settings, "planes": planes}


def _unprefixed(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix + "."): t for n, t in tensors.items() if n.startswith(prefix + ".")}
