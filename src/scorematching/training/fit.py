"""The training loop: Adam on the score matching loss of random crops, the best held-out state kept."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from scorematching._version import __version__
from scorematching.prior import ModelName, Prior, PriorInfo, build_prior
from scorematching.training.checkpoint import read_tensors, write_tensors
from scorematching.training.data import CropStream, Picture, load_planes, split

#: Of white: at this level the experts see clean pictures, whose own scale is not known.
_UNIT_OF_CLEAN = 10 / 255


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes:
        step: Steps done.
        steps: Steps in all.
        loss: Loss a pixel, a running mean.
        held_out: Latest loss a pixel on held-out crops.
        seconds: Since the start of this run.
        speed: Steps a second in this run.
    """

    step: int
    steps: int
    loss: float
    held_out: float
    seconds: float
    speed: float

    @property
    def seconds_left(self) -> float:
        """Expected time to the end."""
        return (self.steps - self.step) / self.speed if self.speed else math.inf


@dataclass
class FitResult:
    """A fitted prior, and how the training went.

    Attributes:
        prior: The state with the best held-out loss.
        history: Triples (step, loss, held-out loss), the losses a pixel and in units of ``prior.info.unit``.
        best: The best held-out loss.
    """

    prior: Prior
    history: list[tuple[int, float, float]] = field(default_factory=list)
    best: float = math.inf

    @property
    def expected_psnr(self) -> float | None:
        """Stein's unbiased estimate of the PSNR (dB, white at 1) of one Tweedie step on held-out noisy pictures.

        From ``SURE = sigma^4 2J + D sigma^2``; ``None`` where the training data were not noisy or ``lam`` not zero.
        """
        info = self.prior.info
        mse = info.sigma**2 * (1 + 2 * self.best)
        return -10 * math.log10(mse) if info.sigma and not info.lam and mse > 0 else None


def fit(
    pictures: Iterable[Picture] | str | Path,
    *,
    sigma: float = 0.0,
    noisy: bool = False,
    model: ModelName = "foe",
    filters: int | None = None,
    size: int | None = None,
    lam: float | None = None,
    steps: int = 1500,
    batch: int = 16,
    crop: int = 48,
    rate: float = 4e-3,
    seed: int = 0,
    device: str | torch.device = "cpu",
    progress: Callable[[Progress], None] | None = None,
    checkpoint: str | Path | None = None,
) -> FitResult:
    """Fit a prior to pictures by regularised score matching.

    Args:
        pictures: Arrays, picture files, folders; grey or colour (each channel is then a picture of its own).
        sigma: Standard deviation of the noise, in the pictures' own units (0-255 for 8 bit).
        noisy: Whether the pictures carry that noise already. If not, fresh noise of level ``sigma`` is added to each
            crop; either way the model is one of noisy pictures, and Tweedie's formula denoises with it.
        model: ``"foe"``, a field of experts, or ``"pot"``, a product of Student-t on whitened patches.
        filters: Number of experts. By default 24 for ``"foe"`` and 128 for ``"pot"``.
        size: Side of a filter or patch. By default 5 for ``"foe"`` and 8 for ``"pot"``.
        lam: The regulariser. By default 0 where there is noise, and 0.01 where there is none: without either the
            loss of quantised pictures has no minimum.
        steps: Of Adam, with a one-cycle learning rate and gradients clipped to norm 1.
        batch: Crops a step.
        crop: Side of a crop.
        rate: Largest learning rate.
        seed: Same seed, same data, same machine: same bits.
        device: Where to compute.
        progress: Called now and then with the state of the training.
        checkpoint: A file that keeps the training's state now and then. If it exists, and holds a state of this very
            training, the training goes on from there and ends as if it had not been interrupted. It is removed at
            the end.

    Returns:
        The prior with the best held-out loss, and the history of the losses.

    Raises:
        FileNotFoundError: A picture does not exist, or none was found.
        TypeError: An array is not of a known type.
        ValueError: An option is out of its range, a picture does not fit, or the checkpoint is of another training.

    Example:
        >>> import numpy as np
        >>> noisy = np.random.default_rng(0).normal(128, 25, (64, 64)).clip(0, 255).astype(np.uint8)
        >>> result = fit([noisy], sigma=25, noisy=True, size=3, filters=4, steps=3, crop=6)
        >>> result.prior.info.filters
        4
    """
    _check_options(sigma=sigma, noisy=noisy, steps=steps, batch=batch, rate=rate, lam=lam)
    planes, peak, names = load_planes(pictures)
    info = _describe(names, sigma / peak, noisy, model, filters, size, lam, seed, steps)
    training, held_out = split(planes, rows=2 * info.size)
    fresh = 0.0 if noisy else info.sigma
    trainer = _Trainer(
        prior=build_prior(info).to(device),
        stream=CropStream(training, _side(crop, training, info), batch, fresh, seed),
        held_out=CropStream(held_out, _side(crop, held_out, info), 2 * batch, fresh, seed + 1)[0],
        rate=rate,
    )
    if checkpoint is not None:
        trainer.use_checkpoint(Path(checkpoint))
    return trainer.run(progress)


class _Trainer:
    """The state of a training, and its steps."""

    def __init__(self, prior: Prior, stream: CropStream, held_out: Tensor, rate: float) -> None:
        self.prior, self.stream, self.rate = prior, stream, rate
        self.steps, self.step, self.running = prior.info.steps, 0, 0.0
        self.device = next(prior.parameters()).device
        self.held_out = held_out.to(self.device)
        self.prior.fit_preprocessing(torch.cat([stream[i] for i in range(32)]).to(self.device))
        self.optimizer = torch.optim.Adam(prior.parameters(), lr=rate)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, rate, total_steps=self.steps + 1)
        self.result = FitResult(prior)
        self.best_state = self._copy()
        self.checkpoint: Path | None = None
        self.interval = max(1, min(50, self.steps // 10))

    def run(self, progress: Callable[[Progress], None] | None) -> FitResult:
        """Go on to the last step."""
        start, first, saved = time.monotonic(), self.step, time.monotonic()
        while self.step < self.steps:
            self._advance()
            if self.step % self.interval == 0 or self.step == self.steps:
                self._evaluate()
            if progress is not None and (self.step % 5 == 0 or self.step == self.steps):
                seconds = time.monotonic() - start
                latest = self.result.history[-1][2] if self.result.history else math.nan
                speed = (self.step - first) / seconds
                progress(Progress(self.step, self.steps, self.running, latest, seconds, speed))
            if self.checkpoint is not None and time.monotonic() - saved > 30:
                self._save()
                saved = time.monotonic()
        self.prior.load_state_dict(self.best_state)
        if self.checkpoint is not None:
            self.checkpoint.unlink(missing_ok=True)
        return self.result

    def _advance(self) -> None:
        """One step of Adam."""
        loss = self.prior.loss(self.stream[self.step].to(self.device), self.prior.info.lam)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.prior.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        value = loss.item()
        if not math.isfinite(value):
            raise ValueError(
                f"the loss became {value} at step {self.step}: lower the rate ({self.rate:g}), or raise lam "
                f"({self.prior.info.lam:g})"
            )
        self.running = value if self.step == 0 else 0.98 * self.running + 0.02 * value
        self.step += 1

    def _evaluate(self) -> None:
        """The held-out loss; the state is kept if it is the best so far."""
        with torch.no_grad():
            value = float(self.prior.loss(self.held_out, self.prior.info.lam))
        self.result.history.append((self.step, self.running, value))
        if value < self.result.best:
            self.result.best, self.best_state = value, self._copy()

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
        part = {prefix: _unprefixed(tensors, prefix) for prefix in ("now", "best", "exp_avg", "exp_avg_sq", "step")}
        self.prior.load_state_dict(part["now"])
        self.best_state = part["best"]
        names = [name for name, _ in self.prior.named_parameters()]
        moments = {
            i: {key: part[key][name] for key in ("exp_avg", "exp_avg_sq", "step")} for i, name in enumerate(names)
        }
        schedule = json.loads(entries["schedule"])
        self.optimizer.load_state_dict({"state": moments, "param_groups": json.loads(entries["groups"])})
        self.schedule.load_state_dict(schedule)

    def _save(self) -> None:
        tensors = {f"now.{n}": t for n, t in self.prior.state_dict().items()}
        tensors |= {f"best.{n}": t for n, t in self.best_state.items()}
        for name, parameter in self.prior.named_parameters():
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"{key}.{name}"] = value
        entries = {
            "training": self._identity(),
            "step": self.step,
            "running": self.running,
            "history": self.result.history,
            "best": self.result.best,
            "schedule": json.dumps({k: v for k, v in self.schedule.state_dict().items() if k != "_anneal_func_type"}),
            "groups": json.dumps(self.optimizer.state_dict()["param_groups"]),
        }
        assert self.checkpoint is not None
        write_tensors(self.checkpoint, {n: t.detach().cpu().contiguous() for n, t in tensors.items()}, entries)

    def _identity(self) -> dict[str, object]:
        """What must be equal for a checkpoint to be of this training."""
        stream = self.stream
        settings = {"rate": self.rate, "batch": stream.batch, "crop": stream.crop, "fresh": stream.sigma}
        pixels = [list(plane.shape) for plane in stream.planes]
        total = float(sum(plane.double().sum() for plane in stream.planes))
        return {**dataclasses.asdict(self.prior.info), **settings, "pixels": pixels, "total": total}


def _side(crop: int, planes: list[Tensor], info: PriorInfo) -> int:
    """The side of crops: as wished, if the planes are large enough, but twice the filter at least."""
    return max(min(crop, *(n for plane in planes for n in plane.shape)), 2 * info.size)


def _unprefixed(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix + "."): t for n, t in tensors.items() if n.startswith(prefix + ".")}


def _check_options(*, sigma: float, noisy: bool, steps: int, batch: int, rate: float, lam: float | None) -> None:
    if not (sigma >= 0 and math.isfinite(sigma)):
        raise ValueError(f"sigma must be a number of 0 or more, got {sigma}")
    if noisy and sigma == 0:
        raise ValueError("noisy pictures need their noise level: give sigma, above 0")
    if steps < 1 or batch < 1:
        raise ValueError(f"steps and batch must be 1 or more, got {steps} and {batch}")
    if not rate > 0:
        raise ValueError(f"rate must be positive, got {rate}")
    if lam is not None and not (lam >= 0 and math.isfinite(lam)):
        raise ValueError(f"lam must be a number of 0 or more, got {lam}")


def _describe(
    names: list[str],
    sigma: float,
    noisy: bool,
    model: ModelName,
    filters: int | None,
    size: int | None,
    lam: float | None,
    seed: int,
    steps: int,
) -> PriorInfo:
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    kind = "noisy" if noisy else "clean"
    return PriorInfo(
        model=model,
        size=size if size is not None else {"foe": 5, "pot": 8}.get(model, 0),
        filters=filters if filters is not None else {"foe": 24, "pot": 128}.get(model, 0),
        unit=sigma or _UNIT_OF_CLEAN,
        sigma=sigma,
        lam=lam if lam is not None else (0.0 if sigma else 0.01),
        seed=seed,
        steps=steps,
        data=f"{len(names)} {kind} pictures: {shown}",
        version=__version__,
    )
