"""Images, noise, priors, restoration, training and plotting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from contract import samples
from contract.case import Case

import scorematching as sm


def files(folder: Path) -> dict[str, Case]:
    """Return the cases of files, and of plotting."""
    sm.write_image(folder / "in.png", samples.image())
    sm.save_prior(samples.prior(), folder / "prior.safetensors")
    source = {"path": folder / "in.png"}
    target = {"path": folder / "out.png"}
    history = [(1, 0.5, 0.4), (2, 0.3, 0.2)]
    image = samples.image()
    return {
        "read_image": Case(sm.read_image, source),
        "write_image": Case(sm.write_image, {**target, "image": image}),
        "load_prior": Case(sm.load_prior, {"path": folder / "prior.safetensors"}),
        "save_prior": Case(sm.save_prior, {"path": folder / "out.safetensors", "prior": samples.prior()}),
        "images.count_pages": Case(sm.images.count_pages, source),
        "images.find_images": Case(sm.images.find_images, {"paths": [folder / "in.png"]}),
        "images.find_white_of_file": Case(sm.images.find_white_of_file, source),
        "images.read_metadata": Case(sm.images.read_metadata, source),
        "images.read_pages": Case(_pages, source),
        "images.write_pages": Case(sm.images.write_pages, {"path": folder / "pages.tif", "pages": [image, image]}),
        "plotting.draw_history": Case(sm.plotting.draw_history, {**target, "history": history}, slow=True),
        "plotting.draw_lam_choice": Case(
            sm.plotting.draw_lam_choice,
            {**target, "choice": sm.training.LamChoice((0.1, 0.2), (25.0,), ((27.0,), (28.0,)))},
            slow=True,
        ),
        "plotting.draw_noise": Case(
            sm.plotting.draw_noise,
            {**target, "noisy": image, "clean": image, "noise": sm.GaussianNoise(12)},
            slow=True,
        ),
        "plotting.draw_prior": Case(
            sm.plotting.draw_prior, {**target, "prior": samples.prior(), "image": image}, slow=True
        ),
        "plotting.draw_side_by_side": Case(
            sm.plotting.draw_side_by_side, {**target, "images": {"a": image, "b": image}}, slow=True
        ),
        "restoration.denoise_raw": Case(sm.restoration.denoise_raw, {"path": folder / "in.png"}),
    }


def _pages(path: Path) -> list[np.ndarray]:
    return list(sm.images.read_pages(path))


def restoration(folder: Path) -> dict[str, Case]:
    """Return the cases of restoration."""
    r = sm.restoration
    image = {"image": samples.image()}
    known = image | {"prior": samples.prior()}
    restore = {**known, "operator": r.Mask(torch.ones(24, 20)), "noise": 12.0, "method": "map", "steps": 2}
    return {
        "denoise": Case(sm.denoise, known | {"noise": 12.0, "method": "auto"}, local=True),
        "estimate_noise": Case(sm.estimate_noise, known),
        "restore": Case(sm.restore, restore),
        "upscale": Case(sm.upscale, {**known, "factor": 2, "noise": 12.0, "method": "map", "steps": 2}),
        "restoration.BicubicDownsampling": Case(r.BicubicDownsampling, {"factor": 2, "size": (24, 20)}),
        "restoration.Blur": Case(r.Blur, {"kernel": torch.ones(3, 3) / 9}),
        "restoration.FunctionOperator": Case(
            r.FunctionOperator, {"forward": torch.neg, "backward": torch.neg, "guess": torch.neg}
        ),
        "restoration.Mask": Case(r.Mask, {"known": torch.ones(24, 20)}),
        "restoration.check_adjoint": Case(r.check_adjoint, {"operator": r.Blur(torch.ones(3, 3)), "size": (9, 8)}),
        "restoration.estimate_photon_noise": Case(r.estimate_photon_noise, known, quiet=True),
        "restoration.gaussian_kernel": Case(r.gaussian_kernel, {"sigma": 1.0}),
        "restoration.prior_for": Case(r.prior_for, known),
        "restoration.unclipped": Case(
            r.unclipped, {"y": samples.planes(), "x": samples.planes(), "sigma": 0.05}, local=True
        ),
    }


def images(folder: Path) -> dict[str, Case]:
    """Return the cases of images in memory."""
    image = {"image": samples.image()}
    two = {"clean": samples.image(), "restored": samples.image() // 2}
    return {
        "psnr": Case(sm.psnr, two, quiet=True),
        "images.ssim": Case(sm.images.ssim, two),
        "images.can_be_noisy": Case(sm.images.can_be_noisy, {"planes": samples.planes()}),
        "images.find_own_white": Case(sm.images.find_own_white, image),
        "images.find_white": Case(sm.images.find_white, image),
        "images.from_planes": Case(
            sm.images.from_planes, {"planes": sm.images.to_planes(samples.image()), "data": samples.planes()}
        ),
        "images.sampled": Case(sm.images.sampled, image, quiet=True),
        "images.tells_level": Case(sm.images.tells_level, {"planes": samples.planes()}),
        "images.to_planes": Case(sm.images.to_planes, image),
    }


def noise(folder: Path) -> dict[str, Case]:
    """Return the cases of noise models, and of their methods."""
    n, clean = sm.noise, samples.floats()
    correlated = sm.CorrelatedNoise(np.array([[0.1, 0.3, 0.1], [0.3, 1.0, 0.3], [0.1, 0.3, 0.1]]) * 1e-3)
    models: list[n.NoiseModel] = [
        *(sm.GaussianNoise(0.1), sm.PoissonGaussianNoise(0.01, 0.02, 0.03), sm.ChannelNoise((0.1,)), correlated),
        *(sm.NoiseMap(0 * clean + 0.1), sm.ModulatedNoise(sm.PoissonGaussianNoise(0.01), correlated)),
    ]
    frames = np.stack([sm.GaussianNoise(12).simulate(samples.image(), seed) for seed in range(3)])
    blank = sm.GaussianNoise(3).simulate(np.full((40, 40), 50.0))
    photons = sm.PoissonGaussianNoise(0.01, 0.02, 0.03)
    cases = {
        "GaussianNoise": Case(sm.GaussianNoise, {"sigma": 3.0}),
        "PoissonGaussianNoise": Case(sm.PoissonGaussianNoise, {"gain": 2.0}),
        "ChannelNoise": Case(sm.ChannelNoise, {"sigmas": (1.0, 2.0)}),
        "NoiseMap": Case(sm.NoiseMap, {"sigma": samples.floats()}),
        "CorrelatedNoise": Case(sm.CorrelatedNoise, {"autocovariance": correlated.autocovariance}),
        "CorrelatedNoise.from_blank": Case(sm.CorrelatedNoise.from_blank, {"image": blank}),
        "CorrelatedNoise.from_octaves": Case(sm.CorrelatedNoise.from_octaves, {"densities": [np.eye(1), np.eye(1)]}),
        "CorrelatedNoise.spectrum": Case(correlated.spectrum, {"height": 9, "width": 8}),
        "CorrelatedNoise.for_channels": Case(correlated.for_channels, {"channels": 3}),
        "ModulatedNoise": Case(sm.ModulatedNoise, {"level": sm.GaussianNoise(2), "correlation": correlated}),
        "noise.as_noise_model": Case(n.as_noise_model, {"noise": 2.0}),
        "noise.as_record": Case(n.as_record, {"noise": correlated}),
        "noise.from_record": Case(n.from_record, {"record": {"model": "GaussianNoise", "sigma": 3.0}}),
        "noise.noise_of_frames": Case(n.noise_of_frames, {"frames": frames}, quiet=True),
        "noise.white_level": Case(n.white_level, {"noise": 2.0, "data_range": 255.0}),
        "PoissonGaussianNoise.stabilize": Case(photons.stabilize, {"y": clean}, local=True),
        "PoissonGaussianNoise.stabilized_mean": Case(photons.stabilized_mean, {"x": clean}, local=True),
        "PoissonGaussianNoise.stabilized_deviation": Case(photons.stabilized_deviation, {"x": clean}, local=True),
        "PoissonGaussianNoise.inverse": Case(photons.inverse, {"mean": clean}, local=True),
    }
    for model in models:
        name = type(model).__name__
        cases[f"{name}.simulate"] = Case(model.simulate, {"clean": clean}, local=True)
        cases[f"{name}.variance"] = Case(model.variance, {"clean": clean}, local=True)
        cases[f"{name}.residual"] = Case(model.residual, {"noisy": clean + 0.01, "clean": clean}, quiet=True)
        cases[f"{name}.stabilizer"] = Case(model.stabilizer, {"data_range": 1.0})
        cases[f"{name}.covariance"] = Case(
            model.covariance, {"planes": samples.planes(), "data_range": 1.0}, local=True
        )
    return cases


def priors(folder: Path) -> dict[str, Case]:
    """Return the cases of priors and of their training."""
    p, prior, planes = sm.priors, samples.prior(), {"planes": samples.planes()}
    field = sm.FieldConfig(filters=4, size=3)
    training = sm.TrainingConfig(steps=1, batch=2, crop=16, compile=False)
    return {
        "FieldConfig": Case(sm.FieldConfig, {}),
        "DeepConfig": Case(sm.DeepConfig, {}),
        "TrainingConfig": Case(sm.TrainingConfig, {}),
        "fit": Case(
            sm.fit, {"images": [samples.image()], "noise": 12.0, "model": field, "training": training}, slow=True
        ),
        "training.choose_lam": Case(
            sm.training.choose_lam,
            {"images": [samples.image()], "model": field, "training": training, "lams": (0.1,), "levels": (25.0,)},
            slow=True,
        ),
        "priors.FieldPrior": Case(p.FieldPrior, {"config": field, "noise": 0.1}),
        "priors.DeepPrior": Case(p.DeepPrior, {"config": sm.DeepConfig(channels=4, depth=2), "noise": 0.1}),
        "priors.NeighborPrior": Case(p.NeighborPrior, {"alone": prior, "together": prior}),
        "priors.Provenance": Case(p.Provenance, {}),
        "priors.TrainedNoise": Case(p.TrainedNoise, {"sigma": 0.1}),
        "priors.build_prior": Case(p.build_prior, {"config": field, "noise": 0.1}),
        "priors.tweedie": Case(p.tweedie, {"y": samples.planes(), "sigma": 0.05, "prior": prior}, local=True),
        "Prior.score": Case(prior.score, planes, local=True),
        "Prior.energy_and_gradient": Case(prior.energy_and_gradient, planes, local=True),
        "Prior.energy_map": Case(prior.energy_map, planes, local=True),
        "Prior.check_size": Case(prior.check_size, {"height": 20, "width": 20}),
        "Prior.arrange": Case(prior.arrange, planes, local=True),
    }
