"""Figures of trainings, results and priors, and the HTML report on a denoised image.

:func:`draw_prior` shows the filters, experts and energy of a prior, :func:`draw_history` the loss of a training, and
:func:`draw_side_by_side` images beside each other. The report is ``html_report.write_page``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
