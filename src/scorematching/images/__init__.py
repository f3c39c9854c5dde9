"""Images as NumPy arrays: files, conversion to tensors, noise estimates and quality measures.

Begin with :func:`read_image` and :func:`write_image`, or with :func:`read_pages` and :func:`write_pages` for stacks.
:func:`read_metadata` reads resolution, color profile and other tags. :func:`to_planes` and :func:`from_planes` convert
between images of any type and tensors. :func:`psnr` and :func:`ssim` compare images.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
