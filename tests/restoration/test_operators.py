"""Linear operators: exact adjoints, sensible first guesses, and their definitions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scorematching.restoration import (
    BicubicDownsampling,
    Blur,
    FunctionOperator,
    LinearOperator,
    Mask,
    check_adjoint,
    gaussian_kernel,
)
from scorematching.restoration.operators import Identity, _box_mean

SIZE = (24, 36)
KERNEL = torch.rand(3, 5, generator=torch.Generator().manual_seed(0)) / 7.5


def doubled(y: Tensor) -> Tensor:
    """Return the adjoint of twice every other row."""
    x = y.new_zeros(*y.shape[:2], 2 * y.shape[2], y.shape[3])
    x[:, :, ::2] = 2 * y
    return x


OPERATORS: dict[str, Callable[[], LinearOperator]] = {
    "identity": Identity,
    "mask": lambda: Mask(torch.rand(SIZE) > 0.4),
    "blur": lambda: Blur(gaussian_kernel(1.2)),
    "asymmetric blur": lambda: Blur(KERNEL),
    **{f"by {factor}": lambda factor=factor: BicubicDownsampling(factor, SIZE) for factor in (2, 3, 4)},
    "functions": lambda: FunctionOperator(lambda x: 2 * x[:, :, ::2], doubled),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_adjoints_are_exact(name: str) -> None:
    operator = OPERATORS[name]()
    x = torch.randn(2, 1, *SIZE, dtype=torch.float64)
    y = torch.randn_like(operator(x))
    torch.testing.assert_close((operator(x) * y).sum(), (x * operator.adjoint(y)).sum(), rtol=1e-10, atol=1e-10)
    check_adjoint(operator, SIZE)
    assert operator.start(y).shape == x.shape


def test_a_wrong_adjoint_is_found() -> None:
    wrong = FunctionOperator(lambda x: x.roll(1, 2), lambda y: y.roll(1, 2))
    with pytest.raises(ValueError, match="the adjoint does not match the operator: <A x, y> is"):
        check_adjoint(wrong, (8, 9))
    with pytest.raises(ValueError, match=r"returns shape \(1, 1, 4, 9\), the operator takes \(1, 1, 8, 9\)"):
        check_adjoint(FunctionOperator(lambda x: x[:, :, :4], lambda y: y), (8, 9))


def test_a_blurred_point_is_the_kernel() -> None:
    point = torch.zeros(1, 1, 9, 9)
    point[..., 4, 4] = 1
    torch.testing.assert_close(Blur(KERNEL)(point)[0, 0, 3:6, 2:7], KERNEL)
    assert float(gaussian_kernel(2.0).sum()) == pytest.approx(1)


def test_holes_are_first_filled_from_around() -> None:
    """What was in the holes does not matter."""
    known = torch.ones(40, 40, dtype=torch.bool)
    known[10:30, 10:30] = False
    ramp = torch.linspace(0, 1, 40).expand(1, 1, 40, 40)
    mask = Mask(known)
    filled = mask.start(mask(ramp) + 5 * ~known)
    assert torch.equal(filled[..., known], ramp[..., known])
    assert float((filled - ramp).abs().max()) < 0.4


def test_box_means_are_those_of_average_pooling() -> None:
    planes = torch.rand(2, 1, 9, 14)
    torch.testing.assert_close(_box_mean(planes, 5), torch.nn.functional.avg_pool2d(planes, 5, 1, 2))


def test_downsampling_is_the_standard_one() -> None:
    """Against the bicubic kernel (a = -1/2), stretched by the factor, written out for an inner pixel."""
    operator = BicubicDownsampling(2, (24, 24))
    t = (torch.arange(24, dtype=torch.float64) - (2 * 6 + 0.5)).abs() / 2
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    row = torch.where(t <= 1, near, torch.where(t < 2, far, 0.0)) / 2
    image = torch.randn(1, 1, 24, 24, dtype=torch.float64)
    torch.testing.assert_close(operator(image)[0, 0, 6, 6], row @ image[0, 0] @ row, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_downsampling_keeps_constants(factor: int) -> None:
    x = torch.ones(2, 1, *SIZE, dtype=torch.float64)
    torch.testing.assert_close(BicubicDownsampling(factor, SIZE)(x), x[..., ::factor, ::factor])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Mask(torch.zeros(4, 4)), "no pixel is known"),
        (lambda: Mask(torch.full((4, 4), torch.nan)), "known has entries that are NaN"),
        (lambda: Mask(torch.ones(1, 1, 4, 4)), r"known must have shape \(H, W\), got \(1, 1, 4, 4\)"),
        (lambda: Mask(torch.ones(5, 5))(torch.ones(1, 1, 4, 5)), r"mask has shape \(5, 5\), the image has \(4, 5\)"),
        (lambda: Blur(torch.ones(4, 3)), r"odd sides, got shape \(4, 3\)"),
        (lambda: Blur(torch.full((3, 3), torch.nan)), "kernel must be finite"),
        (lambda: Blur(torch.ones(9, 9))(torch.ones(1, 1, 4, 20)), "20 x 4 pixels is too small for a kernel"),
        (lambda: gaussian_kernel(-1.0), "sigma must be a number above 0, got -1"),
        (lambda: BicubicDownsampling(2, (5, 4)), r"divide the size \(5, 4\), got 2"),
        (lambda: BicubicDownsampling(1, (4, 4)), "factor must be 2 or more"),
    ],
)
def test_bad_operators_are_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
