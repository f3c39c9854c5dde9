"""Image files: their pixels, metadata and atomic writing.

Begin with ``files``, which reads and writes every format. ``formats`` lists the suffixes and limits of the formats.
``png``, ``jpeg``, ``tiff`` (with ``tiff_pages``, ``tiff_structure`` and ``segments``), ``npy``, ``fits``, ``mrc`` and
``raster`` implement them. ``limits`` decides, before pixels are read, how much memory a file may ask for.
``metadata`` holds the content of files other than pixels. ``paths`` finds and checks files before any work is done.
``opened`` keeps files open, to read pages in any order. ``atomic`` writes a file completely or not at all.
"""
