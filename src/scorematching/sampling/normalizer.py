"""The normalizer of an energy, by annealed importance sampling."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scorematching.curvature.probes import draw
from scorematching.runtime.arguments import check_count
from scorematching.runtime.kinds import check_arguments, check_memory
from scorematching.runtime.progress import Progress, ProgressCallback, subtask
from scorematching.sampling.adaptation import DualAveraging
from scorematching.sampling.diagnostics import SamplingWarning
from scorematching.sampling.dynamics import Dynamics
from scorematching.sampling.spaces import Space
from scorematching.sampling.targets import EnergyWithGradient, Evaluator, evaluator

#: Number of chains that choose the step sizes, the first of these, and the acceptance they aim at.
_PILOTS, _STEP_SIZE, _ACCEPTANCE = 100, 0.1, 0.8
#: The inverse temperatures are those of a logistic curve between these ends: they are densest at 0 and 1.
_ENDS = 4.0
#: Effective fraction of the weights below which the estimate is doubtful.
_FEW = 0.2


@dataclass(frozen=True)
class LogNormalizer:
    """Result of :func:`log_normalizer`.

    Attributes:
        value: Estimate of ``log Z``.
        standard_error: Standard error of the estimate.
        effective_sample_size: Number of equal weights with the same spread, from 1 to the number of chains.
    """

    value: float
    standard_error: float
    effective_sample_size: float


def log_normalizer(
    energy: nn.Module | EnergyWithGradient,
    mean: Tensor,
    std: Tensor,
    *,
    chains: int = 1000,
    steps: int = 100,
    leapfrog_steps: int = 5,
    generator: torch.Generator | None = None,
    progress: ProgressCallback | None = None,
) -> LogNormalizer:
    """Estimate ``log Z``, with ``Z`` the integral of ``exp(-E(x))``, by annealed importance sampling (Neal 2001).

    Chains start with samples of a normal base, and follow a path of densities ``p_0^(1 - b) p^b`` from the base to the
    energy by Hamiltonian Monte Carlo. Their weights average to ``Z``. The density of data is then
    ``log p(x) = -E(x) - log Z``. Step sizes are chosen by chains of their own before, so the estimate of ``Z`` has no
    bias.

    The base should be as wide as the density. Modes that the chains do not reach are missing from ``Z``, and the
    standard error does not tell.

    Args:
        energy: The model: a module, or an object with a method ``energy_and_gradient``.
        mean: Mean of the base, with the shape of a sample, such as ``data.mean(0)``.
        std: Standard deviations of the base, with the same shape, such as ``data.std(0)``. Each is above 0.
        chains: Number of chains, 2 or more. The standard error falls as the root of it.
        steps: Number of densities on the path, 1 or more. More steps give weights with less spread.
        leapfrog_steps: Largest number of leapfrog steps in a move, as in :func:`hmc`.
        generator: Random number generator. By default that of PyTorch.
        progress: Called after each step.

    Warns:
        SamplingWarning: The effective sample size is below a fifth of the number of chains.

    Raises:
        TypeError: ``energy`` is not an energy, or ``mean`` is not floating point.
        ValueError: A shape does not fit, a number is out of its range, or the energy is not finite at samples of the
            base.

    Example:
        >>> import scorematching as sm
        >>> gaussian = sm.Sequential(sm.layers.Square(), sm.Sum(0.5))
        >>> generator = torch.Generator().manual_seed(0)
        >>> found = log_normalizer(gaussian, torch.zeros(2), 2 * torch.ones(2), chains=500, generator=generator)
        >>> abs(found.value - math.log(2 * math.pi)) < 5 * found.standard_error < 0.3
        True
    """
    check_count("chains", chains, least=2)
    check_count("steps", steps)
    check_count("leapfrog_steps", leapfrog_steps)
    if not isinstance(mean, Tensor):
        raise TypeError(f"mean must be a tensor with the shape of a sample, got {type(mean).__name__}")
    check_memory("mean", mean)
    evaluate = evaluator(energy, mean[None], score_allowed=False)
    check_arguments(log_normalizer, locals())
    if not isinstance(std, Tensor) or std.shape != mean.shape or not bool(((std > 0) & (std < math.inf)).all()):
        raise ValueError(f"std must be a tensor of the shape of mean, {tuple(mean.shape)}, finite and above 0")
    path = _Path(evaluate, mean.detach(), std.detach().to(mean), steps, leapfrog_steps, generator)
    _, step_sizes = path.anneal(_PILOTS, None, subtask(progress, 0, 1, 2))
    log_weights, _ = path.anneal(chains, step_sizes, subtask(progress, 1, 2, 2))
    weights = (log_weights - log_weights.max()).exp()
    size = float(weights.sum() ** 2 / weights.square().sum())
    if size < _FEW * chains:
        warnings.warn(
            f"the weights of {chains} chains are worth only {size:.1f}, so log Z is doubtful: take more steps, or a "
            "base that is closer to the density",
            SamplingWarning,
            stacklevel=2,
        )
    value = float(log_weights.logsumexp(0)) - math.log(chains) + float(std.double().log().sum())
    return LogNormalizer(value, float(weights.std() / weights.mean()) / math.sqrt(chains), size)


@dataclass(frozen=True)
class _Path:
    """Path of densities from the base to the energy, of the standardized ``z = (x - mean) / std``."""

    evaluate: Evaluator
    mean: Tensor
    std: Tensor
    steps: int
    leapfrog_steps: int
    generator: torch.Generator | None

    def dynamics(self, b: float) -> Dynamics:
        """Return the dynamics for the energy ``(1 - b) E_0 + b E``."""

        def evaluate(z: Tensor, need_energy: bool) -> tuple[Tensor, Tensor]:
            energy, score = self.evaluate(self.mean + self.std * z, need_energy)
            return (1 - b) * _normal_energy(z) + b * energy, b * self.std * score - (1 - b) * z

        return Dynamics(evaluate, Space(), self.leapfrog_steps, metropolis=True, generator=self.generator)

    def anneal(
        self, chains: int, step_sizes: list[Tensor] | None, progress: ProgressCallback | None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the logarithms of the weights of chains, shape (chains,), and the step sizes.

        Args:
            chains: Number of chains.
            step_sizes: Step size on each density, shape (1,); ``None`` to adapt them.
            progress: Called after each step.
        """
        z = draw(self.mean.expand(chains, *self.mean.shape), "gaussian", self.generator)
        energy = _normal_energy(z)
        log_weights, one = torch.zeros_like(energy), torch.ones_like(energy)
        adaptation, adapted = DualAveraging(_STEP_SIZE * one[:1], _ACCEPTANCE), []
        for step, b in enumerate(_inverse_temperatures(self.steps), 1):
            dynamics = self.dynamics(b)
            state = dynamics.state_at(z)
            if not bool(torch.isfinite(state.energy).all()):
                raise ValueError(
                    "the energy is not finite at samples of the base: choose one where the density is not 0"
                )
            log_weights += energy - state.energy
            h = adaptation.current if step_sizes is None else step_sizes[step - 1]
            (z, energy, _), _, probability = dynamics.move(state, h.expand(chains), one)
            adaptation.update(probability.mean()[None])
            adapted.append(adaptation.averaged)
            if progress is not None:
                progress(Progress(step, self.steps))
        return log_weights, adapted


def _normal_energy(z: Tensor) -> Tensor:
    """Return the energy of standard normal variables with their normalizer, shape (N,), float64."""
    return 0.5 * (z.double().square() + math.log(2 * math.pi)).flatten(1).sum(1)


def _inverse_temperatures(steps: int) -> list[float]:
    """Return increasing inverse temperatures, of which the last is 1."""
    curve = torch.linspace(-_ENDS, _ENDS, steps + 1, dtype=torch.float64).sigmoid()
    return ((curve - curve[0]) / (curve[-1] - curve[0]))[1:].tolist()
