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
from scorematching.runtime.distributed import LostProcessError, Processes
from scorematching.runtime.precision import in_bfloat16
from scorematching.runtime.progress import Progress, ProgressCallback
from scorematching.training.config import RATE_WITH_NEIGHBORS, RATES
from scorematching.training.crops import CropStream
from scorematching.training.descent import Descent
from scorematching.training.result import FitResult

#: Interval between checkpoints in seconds. An interrupted training loses about this time.
SECONDS_BETWEEN_SAVES = 2.0


class Trainer:
    """State of a training, and its steps.

    Several processes (:class:`scorematching.runtime.Processes`) each compute the loss of a part of a batch. The
    gradients are averaged, so that all have the same parameters. The first process writes the checkpoint.

    Args:
        prior: Prior, which is trained in place.
        stream: Training batches.
        held_out: Held-out batch.
        rate: Largest learning rate; ``None`` for the default of each part of the prior.
    """

    def __init__(self, prior: Prior, stream: CropStream, held_out: Crops, rate: float | None) -> None:
        self.prior, self.stream = prior, stream
        self.rates = [_default_rate(part) if rate is None else rate for part in prior.parts]
        self.steps, self.step, self.running = prior.provenance.steps, 0, 0.0
        self.device = next(prior.parameters()).device
        self.processes = Processes.current()
        self.held_out = held_out
        self.descents = [
            Descent([*part.parameters()], part.matrices, rate, self.steps)
            for part, rate in zip(prior.parts, self.rates, strict=True)
        ]
        self.result = FitResult(prior)
        self.best_state = self._copy()
        self.checkpoint: Path | None = None
        self.interval = max(1, min(50, self.steps // 10))

    def run(self, progress: ProgressCallback | None) -> FitResult:
        """Train to the last step; return the result with the best state."""
        start, first, saved = time.monotonic(), self.step, time.monotonic()
        while self.step < self.steps:
            try:
                self._advance()
                if self.step % self.interval == 0 or self.step == self.steps:
                    self._evaluate()
            except LostProcessError:
                if self.checkpoint is not None and self.step % self.interval:  # otherwise a loss is missing
                    self._save(self.checkpoint)
                raise
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
        value = self._mean(loss)
        if not math.isfinite(value):
            raise ValueError(
                f"the loss became {value} at step {self.step}: lower rate ({max(self.rates):g}), or raise lam "
                f"({self.prior.provenance.lam:g})"
            )
        loss.backward()
        self.processes.average([p.grad for p in self.prior.parameters() if p.grad is not None])
        for descent in self.descents:
            descent.step()
        self.prior.constrain()
        self.running = value if self.step == 0 else 0.98 * self.running + 0.02 * value
        self.step += 1

    def _evaluate(self) -> None:
        """Compute the held-out loss, and keep the state if the loss is the best so far."""
        with torch.no_grad():
            value = self._mean(self._loss(self.held_out, 0))
        self.result.history.append((self.step, self.running, value))
        if value < self.result.best:
            self.result.best, self.best_state = value, self._copy()

    def _loss(self, crops: Crops, number: int) -> Tensor:
        """Return the loss of a batch, or of this process's part of it.

        ``number`` seeds the random probes; it is always 0 for the held-out batch.
        """
        part = crops.of_process(*self.processes).to(self.device)
        return self.prior.loss(part, self.prior.provenance.lam, self._generator(number))

    def _mean(self, loss: Tensor) -> float:
        """Return the mean of the losses of all processes."""
        mean = loss.detach().clone()
        self.processes.average([mean])
        return mean.item()

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
        found, own = entries.get("training"), self._identity()
        if isinstance(found, dict) and None in (found.get("threads", 0), own["threads"]):
            found["threads"] = own["threads"]  # several processes, whose number may change
        if found != own:
            raise ValueError(f"{path} is not the checkpoint of this training: remove it, or choose another file")
        self.step, self.running = entries["step"], entries["running"]
        self.result.history = [tuple(row) for row in entries["history"]]
        self.result.best = entries["best"]
        self.prior.load_state_dict(_unprefixed(tensors, "now"))
        self.best_state = _unprefixed(tensors, "best")
        for number, descent in enumerate(self.descents):
            descent.load_state(_unprefixed(tensors, f"descent{number}"), entries["descents"][number])

    def _save(self, path: Path) -> None:
        if not self.processes.is_first:
            return
        tensors = {f"now.{n}": t for n, t in self.prior.state_dict().items()}
        tensors |= {f"best.{n}": t for n, t in self.best_state.items()}
        descents = []
        for number, descent in enumerate(self.descents):
            moments, state = descent.state()
            tensors |= {f"descent{number}.{n}": t for n, t in moments.items()}
            descents.append(state)
        entries = {
            "training": self._identity(),
            "step": self.step,
            "running": self.running,
            "history": self.result.history,
            "best": self.result.best,
            "descents": descents,
        }
        write_tensors(path, {n: t.detach().cpu().contiguous() for n, t in tensors.items()}, entries)

    def _identity(self) -> dict[str, object]:
        """Return the settings that a checkpoint must share with this training, so that the result is the same.

        Several processes may continue as any number of processes, with the same result up to rounding.
        """
        stream = self.stream
        settings = {
            "rates": self.rates,
            "batch": stream.batch,
            "crop": stream.crop,
            "fresh": stream.fresh,
            "max_level": stream.max_level,
            "pooled": stream.pooled,
            "threads": torch.get_num_threads() if self.processes.size == 1 else None,
            "backend": backend(),
            "bfloat16": in_bfloat16(),
            "device": self.device.type,
            "held out": [zlib.crc32(tensor.numpy().tobytes()) for tensor in self.held_out[:3]],
        }
        planes = [
            [plane.name, *plane.shape, plane.data_range, plane.checksum, plane.contrast, repr(plane.noise)]
            for plane in stream.planes
        ]
        return {**describe_prior(self.prior), **settings, "planes": planes}


def _default_rate(prior: Prior) -> float:
    return RATES[prior.config.kind] * (RATE_WITH_NEIGHBORS if prior.images > 1 else 1)


def _unprefixed(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix + "."): t for n, t in tensors.items() if n.startswith(prefix + ".")}
