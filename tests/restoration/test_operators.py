"""Linear observations: exact adjoints, sensible first guesses, and restoration from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import run
from torch import Tensor

import scorematching as sm
from scorematching.images.photographs import held_out_photograph
from scorematching.priors.kinds import build_prior
from scorematching.restoration import (
    BicubicDownsampling,
    Blur,
    FunctionOperator,
    LinearOperator,
    Mask,
    check_adjoint,
    gaussian_kernel,
)
from scorematching.restoration.annealing import _compromise
from scorematching.restoration.convergence import Convergence
from scorematching.restoration.map_estimate import posterior_energy
from scorematching.restoration.operators import _box_mean

KERNEL = torch.rand(3, 5) / 7.5
OPERATORS: dict[str, Callable[[], LinearOperator]] = {
    "holes": lambda: Mask(torch.rand(24, 36) > 0.4),
    "blur": lambda: Blur(gaussian_kernel(1.2)),
    "lopsided blur": lambda: Blur(KERNEL),
    "shrunk": lambda: BicubicDownsampling(3, (24, 36)),
    "own": lambda: FunctionOperator(lambda x: 2 * x[:, :, ::2], _doubled),
}


def _doubled(y: Tensor) -> Tensor:
    x = y.new_zeros(*y.shape[:2], 2 * y.shape[2], y.shape[3])
    x[:, :, ::2] = 2 * y
    return x


@pytest.mark.parametrize("name", OPERATORS)
def test_adjoints_are_exact(name: str) -> None:
    operator = OPERATORS[name]()
    x = torch.randn(2, 1, 24, 36, dtype=torch.float64)
    y = torch.randn_like(operator(x))
    torch.testing.assert_close((operator(x) * y).sum(), (x * operator.adjoint(y)).sum(), rtol=1e-10, atol=1e-10)
    check_adjoint(operator, (24, 36))
    assert operator.start(y).shape == x.shape


def test_a_wrong_adjoint_is_found() -> None:
    wrong = FunctionOperator(lambda x: x.roll(1, 2), lambda y: y.roll(1, 2))
    with pytest.raises(ValueError, match="the adjoint is not that of the operator: <A x, y> is"):
        check_adjoint(wrong, (8, 9))
    with pytest.raises(ValueError, match=r"gives \(1, 1, 4, 9\) where the operator takes \(1, 1, 8, 9\)"):
        check_adjoint(FunctionOperator(lambda x: x[:, :, :4], lambda y: y), (8, 9))


def test_a_kernel_is_laid_out_as_it_is_given() -> None:
    """A point becomes the kernel."""
    point = torch.zeros(1, 1, 9, 9)
    point[..., 4, 4] = 1
    torch.testing.assert_close(Blur(KERNEL)(point)[0, 0, 3:6, 2:7], KERNEL)
    assert float(gaussian_kernel(2.0).sum()) == pytest.approx(1)


def test_holes_are_filled_from_around() -> None:
    known = torch.ones(40, 40, dtype=torch.bool)
    known[10:30, 10:30] = False
    ramp = torch.linspace(0, 1, 40).expand(1, 1, 40, 40)
    mask = Mask(known)
    filled = mask.start(mask(ramp) + 5 * ~known)
    assert torch.equal(filled[..., known], ramp[..., known])
    assert float((filled - ramp).abs().max()) < 0.4


def test_what_is_known_stays_as_it_is(photograph: np.ndarray, prior: sm.Prior) -> None:
    """To the bit, unless it is said to be noisy; what was in the holes does not matter."""
    image = (257 * photograph[:40, :40].astype(np.uint16)) ^ 5
    known = torch.rand(40, 40) > 0.4
    found = sm.restore(image, Mask(known), prior, steps=3)
    assert (found == image)[known.numpy()].all()
    assert (found != image)[~known.numpy()].mean() > 0.9
    assert (sm.restore(image, Mask(known), prior, steps=3, sigma=500) != image)[known.numpy()].any()
    other = np.where(known.numpy(), image, 0).astype(np.uint16)
    np.testing.assert_array_equal(sm.restore(other, Mask(known), prior, steps=3), found)


def test_the_objective_of_map_is_watched(photograph: np.ndarray, prior: sm.Prior) -> None:
    states: list[Convergence] = []
    blur = Blur(gaussian_kernel(1.0))
    soft = blur(torch.from_numpy(photograph[None, None] / np.float32(255)))[0, 0].numpy()
    sm.restore(soft, blur, prior, data_range=1.0, sigma=5 / 255, steps=8, monitor=states.append)
    steps = [state.step for state in states]
    assert steps == sorted(steps)
    assert steps[-1] == states[-1].steps == 8
    assert states[-1].misfit < states[0].misfit
    assert states[0].change > 0


def test_means_over_squares() -> None:
    planes = torch.rand(2, 1, 9, 14)
    torch.testing.assert_close(_box_mean(planes, 5), torch.nn.functional.avg_pool2d(planes, 5, 1, 2))


def test_a_mask_of_ones_is_not_taken_for_black(
    photograph: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sm.write_image(tmp_path / "it.png", photograph)
    sm.write_image(tmp_path / "mask.png", (photograph > 100).astype(np.uint8))
    assert run("inpaint", tmp_path / "it.png", "--mask", tmp_path / "mask.png", "-o", tmp_path / "out.png") == 1
    assert (
        "mask.png has no hole: white (255) is where pixels are missing, the brightest is 1" in capsys.readouterr().err
    )
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("task", ["holes", "blur"])
def test_restoration_is_better_than_the_first_guess(
    photograph: np.ndarray, info: sm.priors.PriorInfo, task: str
) -> None:
    """An untrained prior of little noise does it: its start is a sensible one."""
    prior = build_prior(info.replace(unit=3 / 255, sigma=3 / 255, levels=(0.0, 0.0)))
    clean = torch.from_numpy(photograph[None, None].astype(np.float32) / 255)
    operator = Mask(torch.rand(photograph.shape) > 0.2) if task == "holes" else Blur(gaussian_kernel(1.0))
    y = operator(clean) + torch.randn_like(clean) / 255
    guess = operator.start(y)[0, 0].numpy()
    found = sm.restore(y[0, 0].numpy(), operator, prior, data_range=1.0)
    gain = sm.psnr(photograph / 255, found) - sm.psnr(photograph / 255, guess)
    assert gain > 1.5


@pytest.mark.parametrize(("task", "least"), [("holes", 2.5), ("blur", 3.0), ("enlarge", 1.5)])
def test_annealing_with_the_shipped_prior(task: str, least: float) -> None:
    clean = torch.from_numpy(held_out_photograph("camera")[80:176, 180:276])[None, None]
    generator = torch.Generator().manual_seed(0)
    operator: LinearOperator = {
        "holes": Mask(torch.rand(96, 96, generator=generator) > 0.4),
        "blur": Blur(gaussian_kernel(1.0)),
        "enlarge": BicubicDownsampling(2, (96, 96)),
    }[task]
    y = operator(clean)
    y = y + torch.randn(y.shape, generator=generator) / 255
    told: list[int] = []
    states: list[Convergence] = []
    found = sm.restore(
        y[0, 0].numpy(),
        operator,
        sm.load_prior("natural-gray"),
        data_range=1.0,
        progress=lambda done, _: told.append(done),
        monitor=states.append,
    )
    before, after = (sm.psnr(clean[0, 0].numpy(), x) for x in (operator.start(y)[0, 0].numpy(), found))
    assert after > before + least
    assert told == [state.step for state in states] == list(range(1, 21))
    assert states[-1].misfit < 1.2
    assert states[-1].change < states[0].change / 3
    assert str(states[-1]).startswith("misfit ")


def test_the_compromise_of_annealing_is_the_minimum() -> None:
    """Against the normal equations, solved densely."""
    operator = Blur(torch.tensor([[1.0, 2, 1], [2, 6, 2], [1, 2, 1]]) / 18)
    matrix = torch.stack([operator(e.view(1, 1, 6, 7)).flatten() for e in torch.eye(42, dtype=torch.float64)], 1)
    y, z = torch.randn(2, 1, 1, 6, 7, dtype=torch.float64)
    exact = torch.linalg.solve(matrix.T @ matrix + 0.5 * torch.eye(42), matrix.T @ y.flatten() + 0.5 * z.flatten())
    torch.testing.assert_close(_compromise(operator, y, z, 0.5).flatten(), exact, rtol=1e-4, atol=1e-5)


def test_annealing_never_gives_what_is_less_probable(info: sm.priors.PriorInfo, photograph: np.ndarray) -> None:
    """A wild prior spoils the image: the first guess is kept."""
    prior = build_prior(info.replace(model="deep", depth=4, sigma=0.1, levels=(0.02, 0.2)))
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.mul_(3)
    image = photograph[:40, :40].astype(np.float32) / 255
    operator = Blur(gaussian_kernel(0.6))
    found = sm.restore(image, operator, prior, data_range=1.0, sigma=0.2)
    start, result = (
        posterior_energy(torch.from_numpy(x)[None, None], torch.from_numpy(image)[None, None], operator, 0.2, prior)[0]
        for x in (image, found)
    )
    assert result <= start


def test_a_result_that_does_not_explain_the_image_comes_with_a_warning(photograph: np.ndarray) -> None:
    """As where a sharp image is said to be blurred; and not where what was said is so."""
    natural, blur = sm.load_prior("natural-gray"), Blur(gaussian_kernel(1.5))
    soft = blur(torch.from_numpy(photograph[None, None].astype(np.float32)))[0, 0].numpy()
    sm.restore(np.rint(soft).astype(np.uint8), blur, natural)
    with pytest.warns(UserWarning, match=r"times what noise of sigma 1 leaves is left; was it observed like this"):
        sm.restore(photograph, blur, natural)


def test_gray_that_is_stored_as_color_stays_gray(photograph: np.ndarray) -> None:
    image = photograph[:32, :40]
    natural = sm.load_prior("natural-gray")
    thrice = sm.upscale(np.stack([image] * 3, 2), 2, natural, steps=2)
    np.testing.assert_array_equal(thrice, np.stack([sm.upscale(image, 2, natural, steps=2)] * 3, 2))
    with pytest.raises(ValueError, match="steps must be 1 or more, a whole number, got 0"):
        sm.upscale(image, 2, natural, steps=0)


def test_annealing_takes_a_prior_of_many_levels(photograph: np.ndarray, prior: sm.Prior) -> None:
    with pytest.raises(ValueError, match="annealing takes a prior of many noise levels"):
        sm.upscale(photograph, 2, prior, method="annealed")
    with pytest.raises(ValueError, match="got 'magic'"):
        sm.upscale(photograph, 2, prior, method="magic")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Mask(torch.zeros(4, 4)), "with a pixel that is known"),
        (lambda: Mask(torch.ones(1, 1, 4, 4)), r"must be \(H, W\)"),
        (lambda: Blur(torch.ones(4, 3)), r"odd sides, got shape \(4, 3\)"),
        (lambda: Blur(torch.ones(9, 9))(torch.ones(1, 1, 4, 20)), "4 x 20 is too small for a kernel"),
        (lambda: gaussian_kernel(-1.0), "sigma must be a number above 0, got -1"),
    ],
)
def test_bad_operators_are_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_an_operator_of_another_size_is_refused(photograph: np.ndarray, prior: sm.Prior) -> None:
    with pytest.raises(ValueError, match=r"the mask is \(5, 5\), the image is \(96, 120\)"):
        sm.restore(photograph, Mask(torch.ones(5, 5)), prior)
    half = FunctionOperator(lambda x: x[:, :, ::2], lambda y: _doubled(y) / 2, guess=lambda y: y)
    with pytest.raises(ValueError, match="the image is"):
        sm.restore(photograph, half, prior)
