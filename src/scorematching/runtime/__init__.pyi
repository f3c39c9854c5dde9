from .compiling import compiled
from .distributed import LostProcessError, Processes
from .origin import Origin
from .precision import bfloat16_products
from .progress import Progress, ProgressCallback

__all__ = [
    "LostProcessError",
    "Origin",
    "Processes",
    "Progress",
    "ProgressCallback",
    "bfloat16_products",
    "compiled",
]
