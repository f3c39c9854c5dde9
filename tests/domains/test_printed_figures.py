"""Fits against the figures of the R packages genscore (its vignette) and scorematchingad (its output)."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.published import FIGURES, Figure


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name.split(":")[0])
def test_the_figures_are_reproduced(figure: Figure) -> None:
    np.testing.assert_allclose(figure.compute(), figure.printed, rtol=0.5 * 10.0 ** (1 - figure.digits))
