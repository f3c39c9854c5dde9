"""Plug-in of `napari <https://napari.org>`_: denoise the layers of a viewer. The extra ``napari`` installs it.

:class:`scorematching.napari.panel.DenoisePanel` is what a user sees, ``scorematching.napari.layers`` what the layers
mean for this library.
"""
