from .compiling import compiled
from .origin import Origin
from .precision import bfloat16_products
from .progress import Progress, ProgressCallback

__all__ = ["Origin", "Progress", "ProgressCallback", "bfloat16_products", "compiled"]
