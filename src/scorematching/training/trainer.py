"""Training loop: minimize the score matching loss of random crops, and keep the state with the best held-out loss."""

from __future__ import annotations

import math
import time
import warnings
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.priors.batch import Crops
from scorematching.runtime.distributed import LostProcessError, Processes
from scorematching.runtime.progress import Progress, ProgressCallback
from scorematching.runtime.signals import NotedSignals
from scorematching.training.checkpoints import Checkpoint
from scorematching.training.config import RATE_WITH_NEIGHBORS, RATES, TrainingConfig
from scorematching.training.crops import CropStream
from scorematching.training.descent import Descent
from scorematching.training.identity import identity
from scorematching.training.log import Log
from scorematching.training.result import FitResult
from scorematching.training.state import Snapshot, TrainingState, prefixed, unprefixed

#: Number of times that the learning rate is halved, if the loss is not finite, before the training stops.
_HALVINGS = 3


class Trainer:
    """State of a training, and its steps.

    Several processes (:class:`scorematching.runtime.Processes`) each compute the loss of a part of a batch. The
    gradients are averaged, so that all have the same parameters. The first process writes the checkpoint and the log.

    If a loss or a gradient is not finite, the training goes back to the last evaluation, with half the learning rate.

    Args:
        prior: Prior, which is trained in place.
        stream: Training batches.
        held_out: Held-out batch.
        training: Options of the training.
        checkpoint: File to save the state to, and to continue from.
        log: Log of the evaluations.
    """

    def __init__(
        self,
        prior: Prior,
        stream: CropStream,
        held_out: Crops,
        training: TrainingConfig,
        checkpoint: Checkpoint | None = None,
        log: Log | None = None,
    ) -> None:
        self.prior, self.stream, self.held_out, self.training = prior, stream, held_out, training
        self.rates = [training.rate or _default_rate(part) for part in prior.parts]
        self.device = next(prior.parameters()).device
        self.processes = Processes.current()
        descents = [
            Descent([*part.parameters()], part.matrices, rate, training.steps)
            for part, rate in zip(prior.parts, self.rates, strict=True)
        ]
        self.state = TrainingState(prior, descents, training.average)
        self.result = FitResult(prior)
        self.best_state, self.good, self.halvings = self.state.weights(), self.state.snapshot(), 0
        self.checkpoint, self.log = checkpoint, log
        self.interval = max(1, min(50, training.steps // 10))

    def resume(self) -> None:
        """Continue from the checkpoint and the log, if there are any.

        Raises:
            ValueError: The checkpoint is damaged, or that of another training.
        """
        if self.checkpoint is not None and (found := self.checkpoint.load(identity(self))) is not None:
            tensors, entries = found
            try:
                self.result.history = [(int(step), float(loss), float(held)) for step, loss, held in entries["history"]]
                self.result.best, self.result.best_step = float(entries["best"]), int(entries["best_step"])
                self.best_state, self.halvings = unprefixed("best", tensors), int(entries["halvings"])
                self.good = Snapshot(unprefixed("good", tensors), entries["good"])
                self.state.restore(Snapshot(unprefixed("now", tensors), entries["now"]))
            except (KeyError, IndexError, TypeError, ValueError, RuntimeError):
                raise self.checkpoint.damaged() from None
        if self.log is not None:
            self.log.start(self.state.step)

    def run(self, progress: ProgressCallback | None) -> FitResult:
        """Train to the last step; return the result with the best state.

        With a checkpoint, SIGINT and SIGTERM take effect after the step, when the state has been saved.

        Raises:
            ValueError: The loss is not finite before the first step.
            LostProcessError: Another process has ended. The state has been saved.
        """
        start, first, done = time.monotonic(), self.state.step, self._has_ended()
        with nullcontext() if self.checkpoint is None else NotedSignals() as signals:
            while not done:
                try:
                    done = not self._go_on() or self._has_ended()
                except LostProcessError:
                    self._save()
                    raise
                is_stopped = signals is not None and signals.number is not None
                if self.checkpoint is not None and (done or is_stopped or self.checkpoint.is_due):
                    self._save()
                if signals is not None:
                    signals.deliver()
                step = self.state.step
                if progress is not None and step > first and (step % 5 == 0 or step == self.training.steps):
                    progress(self._progress(time.monotonic() - start, step - first))
        self._warn_of_divergence()
        self.prior.load_state_dict(self.best_state)
        self.prior.provenance = replace(self.prior.provenance, steps=self.state.step)  # fewer, if it was stopped
        return self.result

    def _progress(self, seconds: float, done: int) -> Progress:
        latest = self.result.history[-1][2]
        figures = {"loss": self.state.running, "held out": latest, "steps/s": done / seconds}
        return Progress(self.state.step, self.training.steps, figures)

    def _is_due(self) -> bool:
        """Return whether the present state is one to evaluate, and has not been."""
        history, step = self.result.history, self.state.step
        return (step % self.interval == 0 or step == self.training.steps) and (not history or history[-1][0] != step)

    def _has_ended(self) -> bool:
        """Return whether this was the last step, or too many evaluations gave no new best loss."""
        since = sum(row[0] > self.result.best_step for row in self.result.history)
        gives_up = self.training.patience is not None and since >= self.training.patience
        return not self._is_due() and (gives_up or self.state.step == self.training.steps)

    def _go_on(self) -> bool:
        """Take one step, and evaluate the state if that is due. Return False if the training must stop."""
        if not self._is_due() and not self._advance():  # at the start, only evaluate
            return self._step_back("the loss, or a gradient,")
        if self._is_due() and not self._evaluate():
            return self._step_back("the held-out loss")
        return True

    def _advance(self) -> bool:
        """Take one step. Return False if the loss or a gradient is not finite."""
        loss = self._loss(self.stream[self.state.step], 1 + self.state.step)
        value = self._mean(loss)
        if not math.isfinite(value):
            return False
        loss.backward()
        self.processes.average([p.grad for p in self.prior.parameters() if p.grad is not None])
        return self.state.take_step(value)

    def _evaluate(self) -> bool:
        """Compute the held-out loss, and keep the state if it is the best so far. Return False if it is not finite."""
        state = self.state
        value, weights = self._best_of_present()
        if state.step == 0:
            state.running = self._mean(self._loss(self.stream[0], 1))
            if not math.isfinite(first := value + state.running):
                lam = self.prior.provenance.lam
                raise ValueError(
                    f"the loss is {first} before the first step: look for extreme values in the images, or raise lam "
                    f"({lam:g})"
                )
        if not math.isfinite(value) or not all(bool(p.isfinite().all()) for p in self.prior.parameters()):
            return False
        self.result.history.append((state.step, state.running, value))
        if value < self.result.best:
            self.result.best, self.result.best_step, self.best_state = value, state.step, weights
        self.good = state.snapshot()
        if self.log is not None:
            self.log.add(state.step, state.running, value, state.descents[-1].rate)
        return True

    def _best_of_present(self) -> tuple[float, dict[str, Tensor]]:
        """Return the held-out loss and the weights: the present ones, or their average if its loss is lower."""
        value, weights = self._held_out_loss(), self.state.weights()
        if self.state.average is None or self.state.step == 0:
            return value, weights
        self.prior.load_state_dict(self.state.average)
        self.prior.constrain()
        averaged = self._held_out_loss(), self.state.weights()
        self.prior.load_state_dict(weights)
        return averaged if averaged[0] < value else (value, weights)

    def _held_out_loss(self) -> float:
        with torch.no_grad():
            return self._mean(self._loss(self.held_out, 0))

    def _step_back(self, what: str) -> bool:
        """Go back to the last evaluation, with half the learning rate. Return False if that was tried too often."""
        failed = self.state.step
        self.state.restore(self.good)
        if self.halvings == _HALVINGS:
            warnings.warn(
                f"{what} is not finite at step {failed}, after {_HALVINGS} halvings of the learning rate: the training "
                f"stops, and the best state, of step {self.result.best_step}, is kept. {self._remedy()}",
                stacklevel=5,
            )
            return False
        self.halvings += 1
        self.state.halve_rate()
        self.good = self.state.snapshot()
        warnings.warn(
            f"{what} is not finite at step {failed}: back to step {self.state.step}, with half the learning rate, the "
            f"{('first', 'second', 'third')[self.halvings - 1]} time of at most {_HALVINGS}",
            stacklevel=5,
        )
        return True

    def _warn_of_divergence(self) -> None:
        """Warn if the training did not lower the held-out loss, or lost what it had gained."""
        (_, _, start), (end, _, last) = self.result.history[0], self.result.history[-1]
        if self.result.best_step == 0:
            warnings.warn(
                f"no step of the training has a lower held-out loss than the start ({start:.4g}), so the prior is "
                f"untrained. {self._remedy()}, or train for more steps or on more pixels",
                stacklevel=4,
            )
        elif last > start:
            warnings.warn(
                f"the held-out loss was {start:.4g} at the start and {last:.4g} at step {end}: the training diverged, "
                f"or overfits. The best state, of step {self.result.best_step}, is kept. {self._remedy()}, or train on "
                "more pixels",
                stacklevel=4,
            )

    def _remedy(self) -> str:
        return f"Lower rate ({max(self.rates):g}), or raise lam ({self.prior.provenance.lam:g})"

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

    def _save(self) -> None:
        """Write the checkpoint, if there is one."""
        if self.checkpoint is None:
            return
        now, good, result = self.state.snapshot(), self.good, self.result
        tensors = prefixed("best", self.best_state) | prefixed("now", now.tensors) | prefixed("good", good.tensors)
        entries = {"now": now.entries, "good": good.entries, "halvings": self.halvings, "history": result.history}
        entries |= {"best": result.best, "best_step": result.best_step}
        self.checkpoint.save(tensors, entries)


def _default_rate(prior: Prior) -> float:
    return RATES[prior.config.kind] * (RATE_WITH_NEIGHBORS if prior.images > 1 else 1)
