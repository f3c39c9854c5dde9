"""Plot of the quality of priors of clean images against the weight of the regularizer."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from scorematching.plotting.figures import check_target, save_figure
from scorematching.runtime.kinds import check_arguments
from scorematching.training.lam_choice import LamChoice


def draw_lam_choice(choice: LamChoice, path: str | Path) -> None:
    """Draw the PSNR of denoised held-out images against λ, one line per noise level, and mark the best λ.

    Args:
        choice: Result of :func:`scorematching.training.choose_lam`.
        path: File to write, a ``.png``.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The path does not end in ``.png``.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "lam.png"
        >>> draw_lam_choice(LamChoice((0.1, 0.2), (25.0,), ((27.0,), (28.0,))), path)
        >>> path.exists()
        True
    """
    check_arguments(draw_lam_choice, locals())
    check_target(path)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for level, column in zip(choice.levels, zip(*choice.psnr, strict=True), strict=True):
        axes.plot(choice.lams, column, marker=".", label=f"noise of level {level:g}")
    axes.plot(choice.lams, choice.means, color="0.25", marker=".", label="mean")
    axes.axvline(choice.lam, color="0.25", ls=":")
    axes.set(xscale="log", xlabel="λ", ylabel="PSNR of denoised held-out images, dB")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
