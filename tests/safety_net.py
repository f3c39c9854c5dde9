"""Numbers that a change of structure must not change: losses, gradients, restored images, short trainings.

Usage::

    python tests/safety_net.py record FILE.npz        all numbers, to compare bit for bit on one machine
    python tests/safety_net.py compare ONE.npz TWO.npz
    python tests/safety_net.py fingerprint            write tests/safety_net.json, which the tests compare to rounding
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import scorematching as sm
from scorematching.checks.cases import NETWORKS, make_network
from scorematching.curvature import CurvaturePropagation, Hutchinson, Stein
from scorematching.images.photographs import held_out_photograph
from scorematching.layers import LogCosh
from scorematching.priors.store import SHIPPED
from scorematching.restoration import Blur, Mask, gaussian_kernel

FINGERPRINTS = Path(__file__).with_suffix(".json")
METHODS = ("diagonal", "full", "jacobian", "coloring")
Numbers = dict[str, np.ndarray]


def generator(seed: int = 0) -> torch.Generator:
    """A seeded source of random numbers."""
    return torch.Generator().manual_seed(seed)


def loss_and_gradients(name: str, curvature: Any, lam: float, **options: Any) -> Numbers:
    """The loss of a network of the cases, and its gradients with respect to the data and every parameter."""
    energy, x, _ = make_network(name)
    x.requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loss = sm.score_matching_loss(energy, x, lam=lam, curvature=curvature, **options)
    loss.backward()
    gradients = [p.grad.flatten() for p in (x, *energy.parameters()) if p.grad is not None]
    return {"loss": loss.detach().numpy(), "gradients": torch.cat(gradients).numpy()}


def losses() -> Numbers:
    """Every network by every method, with and without the regularizer."""
    found: Numbers = {}
    for name in NETWORKS:
        for lam in (0.0, 0.3):
            chosen: dict[str, Any] = {method: method for method in METHODS}
            chosen["hutchinson"] = Hutchinson(2, generator=generator(1))
            chosen["propagation"] = CurvaturePropagation(2, generator=generator(2))
            for method, curvature in chosen.items():
                for what, numbers in loss_and_gradients(name, curvature, lam).items():
                    found[f"{name}, {method}, lam {lam}: {what}"] = numbers
    energy, x, _ = make_network("two hidden layers")
    weight = torch.rand(x.shape, generator=generator(3), dtype=x.dtype)
    for what, numbers in loss_and_gradients("two hidden layers", "auto", 0.1, weight=weight).items():
        found[f"weighted: {what}"] = numbers
    found["each"] = sm.score_matching_loss(energy, x, lam=0.2, reduction="none").detach().numpy()
    found["sliced"] = sm.sliced_score_matching_loss(energy, x, lam=0.2, generator=generator(4)).detach().numpy()
    found["denoising"] = sm.denoising_score_matching_loss(energy, x, 0.5, generator=generator(5)).detach().numpy()
    noise = torch.randn(x.shape, generator=generator(6), dtype=x.dtype)
    for what, numbers in loss_and_gradients("two hidden layers", Stein(noise, 1.0), 0.0).items():
        found[f"known noise: {what}"] = numbers
    with sm.compiled(backend="eager"):
        for what, numbers in loss_and_gradients("PoE, Student-t", "diagonal", 0.1).items():
            found[f"recorded: {what}"] = numbers
    found["score"] = sm.score(energy, x).detach().numpy()
    found["hessian diagonal"] = sm.hessian_diagonal(energy, x).detach().numpy()
    chains = sm.langevin(energy, x, steps=5, step_size=0.1, metropolis=True, generator=generator(7))
    found["langevin"] = chains.x.numpy()
    return found


def closed_form() -> Numbers:
    """An energy that is linear in its parameters, by its exact minimum."""
    torch.manual_seed(0)
    energy = sm.Sequential(sm.Linear(3, 6, bias=False), LogCosh(), sm.WeightedSum(6)).double()
    x = torch.randn(200, 3, generator=generator(8), dtype=torch.float64)
    fitted = sm.fit_closed_form(energy, x, lam=0.1)
    return {"closed form": fitted.estimate.numpy(), "closed form: errors": fitted.standard_errors.numpy()}


def noisy_photograph(color: bool = False) -> np.ndarray:
    """A piece of a photograph with noise of level 25, floating point on the 0-255 scale."""
    clean = 255 * held_out_photograph("chelsea" if color else "camera", color)[100:172, 200:280]
    return (clean + np.random.default_rng(0).normal(0, 25, clean.shape)).astype(np.float32)


def restored() -> Numbers:
    """Small images by every prior that comes with the library."""
    found: Numbers = {}
    for name in SHIPPED:
        prior = sm.load_prior(name)
        noisy = noisy_photograph(prior.config.colors > 1)
        known = torch.rand(noisy.shape[:2], generator=generator(9)) > 0.2
        blur = Blur(gaussian_kernel(1.0))
        photons = sm.PoissonGaussianNoise(gain=2.0, sigma=10)
        white = {"data_range": 255}
        found |= {
            f"{name}: denoise": sm.denoise(noisy, 25, prior, **white),
            f"{name}: denoise, gain": sm.denoise(noisy.clip(0), photons, prior, **white),
            f"{name}: upscale": sm.upscale(noisy[:36, :40], 2, prior, steps=2, **white),
            f"{name}: inpaint": sm.restore(noisy, Mask(known), prior, steps=2, **white),
            f"{name}: deblur": sm.restore(noisy, blur, prior, noise=20, steps=2, method="map", **white),
            f"{name}: noise": np.float64(sm.estimate_noise(noisy, prior, **white).sigma),
        }
    prior = sm.load_prior("natural-gray-small")
    found["of colors: denoise"] = sm.denoise(noisy_photograph(color=True), 25, prior, data_range=255)
    bytes_ = np.rint(noisy_photograph().clip(0, 255)).astype(np.uint8)
    found["bytes: denoise"] = sm.denoise(bytes_, 25, prior)
    found["bytes: all turns"] = sm.denoise(bytes_, 25, prior, self_ensemble=True)
    return found


def trainings() -> Numbers:
    """A few steps of each model."""
    field, deep = {"filters": 6, "size": 3}, {"channels": 4, "depth": 2}
    wide = sm.FieldConfig(**field, octaves=2, expert="spline", normalize_filters=True)
    small, network = sm.FieldConfig(**field), sm.DeepConfig(**deep)
    color = sm.DeepConfig(**deep, color=True)
    photons = sm.PoissonGaussianNoise(gain=2.0, sigma=5)
    known: dict[str, Any] = {"noise": 25}
    options: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
        "field": (small, known, {}),
        "field, noise found": (small, {}, {}),
        "field, gain": (small, {"noise": photons}, {}),
        "field, clean": (small, {"noisy": False}, {}),
        "field, noise added": (small, {"noise": 10, "noisy": False}, {}),
        "field, splines, octaves": (wide, known, {}),
        "deep": (network, known, {}),
        "deep, blind": (network, {**known, "noisy": False}, {"blind": True}),
        "deep, several levels": (network, {"noise": 5, "noisy": False}, {"max_sigma": 50}),
        "deep, regularized": (network, known, {"lam": 0.1}),
        "deep, color": (color, known, {}),
    }
    found: Numbers = {}
    for name, (model, noise, settings) in options.items():
        image = noisy_photograph(color=True) if model.colors > 1 else np.maximum(noisy_photograph(), 0)
        training = sm.TrainingConfig(steps=4, batch=4, crop=24, **settings)
        found |= _training(name, [image], {"model": model, "training": training, "data_range": 255.0, **noise})
    return found


def _training(name: str, images: list[np.ndarray], options: dict[str, Any]) -> Numbers:
    result = sm.fit(images, **options)
    weights = [tensor.flatten() for tensor in result.prior.state_dict().values() if tensor.is_floating_point()]
    psnr = result.expected_psnr
    return {
        f"fit {name}: weights": torch.cat(weights).numpy(),
        f"fit {name}: history": np.array(result.history),
        f"fit {name}: quality": np.float64(np.nan if psnr is None else psnr),
    }


PARTS: dict[str, Callable[[], Numbers]] = {
    "losses": losses,
    "closed form": closed_form,
    "restored": restored,
    "trainings": trainings,
}


def everything() -> Numbers:
    """All parts."""
    return {name: np.asarray(numbers) for part in PARTS.values() for name, numbers in part().items()}


def fingerprint(numbers: np.ndarray) -> list[float]:
    """The norm of an array, and its product with a fixed direction: what small changes of any entry move."""
    flat = np.asarray(numbers, dtype=np.float64).ravel()
    direction = np.cos(np.arange(len(flat)) ** 1.5)
    return [float(np.linalg.norm(flat)), float(flat @ direction)]


def main(arguments: list[str]) -> int:
    """Run the command of the module's docstring."""
    if arguments[:1] == ["record"]:
        np.savez(arguments[1], **everything())
        return 0
    if arguments[:1] == ["fingerprint"]:
        lines = [f'"{name}": {json.dumps(fingerprint(numbers))}' for name, numbers in everything().items()]
        FINGERPRINTS.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        return 0
    one, two = (np.load(path) for path in arguments[1:])
    different = [name for name in one if name in two and not np.array_equal(one[name], two[name], equal_nan=True)]
    for name in different:
        gap = np.abs(one[name].astype(float) - two[name].astype(float)).max() / np.abs(one[name].astype(float)).max()
        print(f"differs by {gap:.1e}: {name}")
    missing = sorted({*one} ^ {*two})
    print(f"{len(set(one) & set(two))} compared, {len(different)} differ, in one alone: {missing or 'none'}")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
