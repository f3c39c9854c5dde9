"""Images of densities and scores, for ``figures.py``."""

from __future__ import annotations

from pathlib import Path

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

import scorematching as sm

BLUE, ORANGE, GRAY, GREEN, RED = "#3f51b5", "#e8710a", "#8a8f98", "#1b8a5a", "#c62828"


def score_matching(folder: Path) -> None:
    """Draw a one-dimensional density, its energy and its score, and those of an energy fitted to 5,000 samples."""
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.tensor([0.6, 0.4])),
        torch.distributions.Normal(torch.tensor([-1.0, 1.2]), torch.tensor([0.6, 0.5])),
    )
    torch.manual_seed(0)
    samples = mixture.sample((5000, 1))
    energy = _smooth_energy()
    sm.fit_closed_form(energy, samples, lam=1e-3, parameters=["layers.2.weight", "layers.4.weight"])

    x = torch.linspace(-3.2, 3.2, 400)[:, None].requires_grad_()
    log_density = mixture.log_prob(x)
    (score,) = torch.autograd.grad(log_density.sum(), x)
    grid, log_density = x.detach()[:, 0].numpy(), log_density.detach()[:, 0]
    with torch.no_grad():
        fitted = energy(x.detach())
    step = grid[1] - grid[0]
    fitted = fitted + torch.log((-fitted).exp().sum() * step)
    found = sm.score(energy, x.detach())[:, 0].detach()

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(8.8, 2.8), layout="constrained")
    left.hist(samples[:, 0].numpy(), 50, range=(-3.2, 3.2), density=True, color="#d6daf0", label="samples")
    for axes, truth, mine, title in (
        (left, log_density.exp(), (-fitted).exp(), "density p(x)"),
        (middle, -log_density, fitted, "energy E(x), up to a constant"),
        (right, score[:, 0], found, "score d log p(x) / dx"),
    ):
        axes.plot(grid, truth, color=GRAY, lw=4, alpha=0.6, label="true")
        axes.plot(grid, mine, color=BLUE, lw=1.6, label="fitted")
        axes.set(title=title, xlabel="x", xlim=(-3.2, 3.2))
        plain(axes)
    right.axhline(0, color="black", lw=0.6)
    left.set_ylim(0, 0.52)
    left.legend(frameon=False, fontsize=8, loc="upper right", ncols=3, columnspacing=0.8, handlelength=1.2)
    figure.savefig(folder / "score_matching.png", dpi=130)
    plt.close(figure)


def _smooth_energy(units: int = 9, reach: float = 3.0, slope: float = 2.0) -> sm.Graph:
    """Return an energy that is linear in its weights: a sum of smooth steps at fixed positions, and the square of x."""
    steps, places = sm.Linear(1, units), torch.linspace(-reach, reach, units)
    steps.load_state_dict({"weight": torch.full((units, 1), slope), "bias": -slope * places})
    return sm.Graph(
        [
            ("x", steps.requires_grad_(False), "h"),
            ("h", sm.layers.Softplus(), "u"),
            ("u", sm.WeightedSum(units), "energy"),
            ("x", sm.layers.Square(), "square"),
            ("square", sm.WeightedSum(1), "energy"),
        ]
    )


def plain(axes: Axes) -> None:
    """Remove the upper and right frame."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.title.set_fontsize(11)


def tweedie(folder: Path) -> None:
    """Draw noisy points in the plane and their moves by Tweedie's formula, from an energy of noisy points."""
    torch.manual_seed(0)
    sigma = 0.25

    def points(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        t = 3 * torch.pi * (0.3 + 0.7 * torch.rand(count, 1))
        clean = torch.cat([t * t.cos(), t * t.sin()], 1) / 4
        return clean, clean + sigma * torch.randn(count, 2)

    _, train = points(8000)
    network = torch.nn.Sequential(
        torch.nn.Linear(2, 64), torch.nn.SiLU(), torch.nn.Linear(64, 64), torch.nn.SiLU(), torch.nn.Linear(64, 1)
    )
    energy = sm.from_torch(network)
    optimizer = torch.optim.Adam(energy.parameters(), lr=5e-3)
    steps = 1000
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        sm.score_matching_loss(energy, train[torch.randint(len(train), (512,))]).backward()
        optimizer.step()
        schedule.step()

    clean, noisy = points(400)
    denoised = noisy + sigma**2 * sm.score(energy, noisy).detach()
    before, after = (float((x - clean).square().mean().sqrt()) for x in (noisy, denoised))
    figure, axes = plt.subplots(1, 3, figsize=(8.8, 2.8), layout="constrained", sharex=True, sharey=True)
    axes[0].scatter(*noisy.T, s=6, color=ORANGE)
    axes[0].set_title(f"noisy points y, error {before:.2f}")
    move = (denoised - noisy).numpy()
    axes[1].quiver(*noisy.T.numpy(), *move.T, angles="xy", scale_units="xy", scale=1, width=0.004, color=BLUE)
    axes[1].set_title("the move: sigma² times the score")
    axes[2].scatter(*clean.T, s=22, color="#d5d8dd", label="clean x (never seen)")
    axes[2].scatter(*denoised.T, s=6, color=BLUE, label="denoised")
    axes[2].set_title(f"denoised points, error {after:.2f}")
    axes[2].legend(frameon=False, fontsize=8, loc="lower left")
    for one in axes:
        one.set_aspect("equal")
        one.set(xticks=[], yticks=[])
        plain(one)
    figure.savefig(folder / "tweedie.png", dpi=130)
    plt.close(figure)


def separated_modes(folder: Path) -> None:
    """Draw two mixtures with the same components and different weights: the densities differ, the scores do not."""
    x = torch.linspace(-7, 7, 600, requires_grad=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.7), layout="constrained")
    for weight, color, style in ((0.5, GRAY, "-"), (0.9, ORANGE, "--")):
        mixture = torch.distributions.MixtureSameFamily(
            torch.distributions.Categorical(torch.tensor([weight, 1 - weight])),
            torch.distributions.Normal(torch.tensor([-4.0, 4.0]), 0.8),
        )
        log_density = mixture.log_prob(x)
        (score,) = torch.autograd.grad(log_density.sum(), x)
        label = f"weights {weight:.1f} and {1 - weight:.1f}"
        grid = x.detach()
        left.plot(grid, log_density.detach().exp(), color=color, ls=style, lw=2.2, label=label)
        right.plot(grid, score, color=color, ls=style, lw=2.2, label=label)
    density = log_density.detach().exp()
    right.fill_between(grid, -9, 9, where=(density > 1e-3).numpy(), color="#dfe3f6")
    for place in (-4, 4):
        right.text(place, -8.2, "where the data are", ha="center", fontsize=8.5, color=BLUE)
    left.set(title="densities", xlabel="x")
    right.set(title="scores", xlabel="x", ylim=(-9, 9))
    left.legend(frameon=False, fontsize=9)
    right.legend(frameon=False, fontsize=9, loc="upper right", bbox_to_anchor=(1.02, 1.03))
    for axes in (left, right):
        plain(axes)
    figure.savefig(folder / "separated_modes.png", dpi=130)
    plt.close(figure)


def misled(folder: Path) -> None:
    """Draw three fits that mislead, with their remedies: a bound, few samples, and rounded data."""
    figure, (bound, few, rounded) = plt.subplots(1, 3, figsize=(8.8, 2.8), layout="constrained")
    torch.manual_seed(0)
    waits = torch.distributions.Exponential(1.0).sample((2000, 1)).double()
    energy = sm.energies.ExponentialFamily([lambda x: -x.sum(1)]).double()
    rate = float(sm.fit_closed_form(energy, waits, domain="positive").estimate)
    grid = torch.linspace(0, 5, 200)
    bound.hist(waits[:, 0].numpy(), 40, range=(0, 5), density=True, color="#d6daf0", label="samples")
    bound.plot(grid, torch.full_like(grid, 1 / 5), color=ORANGE, lw=2, label="no domain: rate 0")
    bound.plot(grid, rate * torch.exp(-rate * grid), color=BLUE, lw=2, label='domain="positive"')
    bound.set(title="a bound", xlabel="x")
    for lam, color in ((0.0, ORANGE), (0.3, BLUE)):
        fitted, held_out = _curves(lam)
        few.plot(held_out, color=color, lw=2, label=f"λ = {lam:g}, held out")
        few.plot(fitted, color=color, lw=1, ls="--", label=f"λ = {lam:g}, fitted")
    few.set(title="64 samples, 16 dimensions", xlabel="step", ylim=(-60, 30))
    whole = torch.randn(3000, 1, dtype=torch.float64).mul(1.5).round()
    blur = torch.rand(whole.shape, dtype=torch.float64) - 0.5
    grid = torch.linspace(-5, 5, 800, dtype=torch.float64)[:, None]
    cases = ((whole, 1e-3, ORANGE, "λ = 0.001"), (whole, 1 / 24, GRAY, "λ = q²/24"), (whole + blur, 0.0, BLUE, "noise"))
    for samples, lam, color, label in cases:
        spiky = _smooth_energy(19, 4.5, 4.0).double()
        sm.fit_closed_form(spiky, samples, lam=lam, parameters=["layers.2.weight", "layers.4.weight"])
        with torch.no_grad():
            density = torch.softmax(-spiky(grid), 0) / (grid[1] - grid[0])
        rounded.plot(grid, density, color=color, lw=1.6, label=label)
    rounded.set_ylim(0, 0.6)
    rounded.set(title="data rounded to whole numbers", xlabel="x")
    for axes in (bound, few, rounded):
        plain(axes)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(folder / "misled.png", dpi=130)
    plt.close(figure)


def _curves(lam: float) -> tuple[list[float], list[float]]:
    """Return the losses of 64 samples and of many others, at λ = 0, during a fit."""
    torch.manual_seed(0)
    data = torch.randn(1064, 16)
    energy = sm.energies.ProductOfStudentT(16, 32)
    optimizer = torch.optim.Adam(energy.parameters(), lr=0.05)
    curves: tuple[list[float], list[float]] = ([], [])
    for _ in range(150):
        with torch.no_grad():
            for curve, part in zip(curves, (data[:64], data[64:]), strict=True):
                curve.append(float(sm.score_matching_loss(energy, part)))
        optimizer.zero_grad()
        sm.score_matching_loss(energy, data[:64], lam=lam).backward()
        optimizer.step()
    return curves
