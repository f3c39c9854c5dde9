from .figures import draw_history, draw_side_by_side
from .portrait import draw_prior

__all__ = [
    "draw_history",
    "draw_prior",
    "draw_side_by_side",
]
