"""Figures of trainings, results and priors, and the HTML report on a denoised image.

:func:`draw_prior` shows the filters, experts and energy of a prior. :func:`draw_history` shows the loss of a training.
:func:`draw_side_by_side` shows images beside each other. ``html_report.write_page`` writes the report.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
