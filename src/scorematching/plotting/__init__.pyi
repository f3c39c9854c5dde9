from .figures import draw_history, draw_side_by_side
from .lam_plot import draw_lam_choice
from .noise_plot import draw_noise
from .portrait import draw_prior

__all__ = [
    "draw_history",
    "draw_lam_choice",
    "draw_noise",
    "draw_prior",
    "draw_side_by_side",
]
