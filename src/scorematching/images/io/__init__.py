"""Image files: PNG, JPEG and TIFF, their metadata and atomic writing.

Begin with ``files``, which reads and writes every format. ``png``, ``jpeg`` and ``tiff`` each implement one format,
``metadata`` holds what files store besides pixels, ``paths`` finds and checks files before any work is done, and
``atomic`` writes a file completely or not at all.
"""
