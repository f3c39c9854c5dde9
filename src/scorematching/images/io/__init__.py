"""Image files: PNG, JPEG and TIFF, their metadata and atomic writing.

Begin with ``files``, which reads and writes every format. ``formats`` lists the suffixes and limits of the formats;
``png``, ``jpeg`` and ``tiff`` implement one format each. ``metadata`` holds what files store besides pixels, ``paths``
finds and checks files before any work is done, and ``atomic`` writes a file completely or not at all.
"""
