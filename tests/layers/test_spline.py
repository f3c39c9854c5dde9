"""Splines: values and derivatives of scipy's splines, and straight ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from scorematching.layers import Spline


@pytest.fixture
def spline() -> Spline:
    layer = Spline(1, reach=2.0, knots=5).double()
    torch.nn.init.normal_(layer.weight)
    return layer


def test_values_and_derivatives_agree_with_scipy(spline: Spline) -> None:
    w = spline.weight[0].detach().numpy()
    line = np.array([1.0, 2.0])
    around = np.concatenate([w[0] + (w[0] - w[1]) * line[::-1], w, w[-1] + (w[-1] - w[-2]) * line])
    truth, x = (
        BSpline(np.arange(-4, len(around)), around, 3),
        torch.linspace(-2.9, 2.9, 60, dtype=torch.float64)[:, None],
    )
    for order, found in enumerate((spline(x), *spline.derivatives(x))):
        expected = torch.from_numpy(truth.derivative(order)(x.numpy() + 2))
        torch.testing.assert_close(found.detach(), expected, rtol=1e-10, atol=1e-10)


def test_a_spline_is_linear_beyond_its_knots(spline: Spline) -> None:
    x = torch.tensor([[-1e6], [-3.0], [3.0], [1e6], [torch.nan]], dtype=torch.float64)
    f1, f2, f3 = (f.detach()[:4, 0] for f in spline.derivatives(x))
    assert f2.abs().sum() == f3.abs().sum() == 0
    torch.testing.assert_close(f1[[0, 2]], f1[[1, 3]], rtol=1e-12, atol=0)
    y = spline(x).detach()[:, 0]
    torch.testing.assert_close((y[3] - y[2]) / (1e6 - 3), f1[2], rtol=1e-10, atol=0)
    assert y[4].isnan()
