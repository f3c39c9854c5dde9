"""Energies of images with correlated noise: score matching, and Tweedie's formula, in the metric of the noise."""

from __future__ import annotations

from torch import Tensor

from scorematching.graph import Edge, Graph
from scorematching.layers import Conv2d, Crop, Layer, Metric, MetricConv2d, SumPool2d
from scorematching.runtime.kinds import check_arguments


def with_metric(energy: Graph, covariance: Tensor) -> Graph:
    """Return an energy of images, to be differentiated in the metric of stationary noise.

    Let ``y = x + n`` be images with noise ``n ~ N(0, Sigma)``, ``E`` an energy of ``y``, ``delta`` its gradient and
    ``H`` its Hessian. The result is ``E(Sigma z)`` as a function of ``z``, evaluated at given ``y = Sigma z``. Pass it
    ``y``, not ``z``: ``Sigma`` is never inverted. Its gradient is ``Sigma delta`` and its Hessian ``Sigma H Sigma``, so
    the functions of this library compute

    - the loss with the metric, ``1/2 |Sigma delta|^2 - tr(Sigma H Sigma)``, by ``score_matching_loss``. It is half of
      Stein's unbiased estimate of the squared error of the denoiser below, up to ``tr Sigma / 2``;
    - Tweedie's formula ``E[x | y] = y - Sigma delta``, by ``y + score``;
    - the posterior variances ``diag(Sigma - Sigma H Sigma)``, by ``hessian_diagonal``.

    If the energy starts with convolutions, ``Sigma`` is fused into their filters
    (:class:`scorematching.layers.MetricConv2d`). So the recursion of the paper stays exact for fields of experts. For
    other first layers, ``Sigma`` is a layer of its own, and deep energies need probes (``curvature="hutchinson"``).

    Args:
        energy: Energy of images, shape (N, C, H, W). The result shares its parameters.
        covariance: Autocovariance of the noise, shape (C, C, k, k), or (k, k) for one channel, with odd ``k``, in the
            units of the energy; see :class:`scorematching.layers.Metric`. ``k`` must be large enough: what lies beyond
            is taken as 0.

    Returns:
        The energy, with gradients with respect to ``z``.

    Raises:
        ValueError: ``covariance`` is not an autocovariance.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = sm.energies.FieldOfExperts(filters=8, size=3)
        >>> kernel = torch.tensor([[0.0, 0.2, 0.0], [0.2, 1.0, 0.2], [0.0, 0.2, 0.0]])
        >>> seen = with_metric(energy, kernel)
        >>> sm.exactness_report(seen).exact
        True
        >>> y = torch.randn(2, 1, 12, 12)
        >>> sm.score_matching_loss(seen, y).backward()
        >>> denoised = y + sm.score(seen, y)
    """
    check_arguments(with_metric, locals())
    like = next(energy.parameters(), covariance)
    metric = Metric(covariance.detach().to(like))
    edges: list[tuple[str, Layer, str]] = []
    layers = dict(energy.pairs())
    fused: set[Edge] = set()
    for first in layers:
        if first.source != energy.input:
            continue
        chain = _chain(layers, first)
        *before, last = (layers[edge] for edge in chain)
        if _is_fusible(last, before):
            assert isinstance(last, Conv2d)
            edges.append((energy.input, MetricConv2d(metric, last, before), chain[-1].target))  # type: ignore[arg-type]
            fused |= set(chain)
    others = [edge for edge in layers if edge not in fused]
    inside = f"{energy.input} in the metric"
    if any(edge.source == energy.input for edge in others):
        edges.append((energy.input, metric, inside))
    for edge in others:
        edges.append((inside if edge.source == energy.input else edge.source, layers[edge], edge.target))
    return Graph(edges, energy.input, energy.output)


def _chain(layers: dict[Edge, Layer], first: Edge) -> list[Edge]:
    """Return the edges from ``first`` to the first convolution, as long as no other edge starts or ends between."""
    chain = [first]
    while isinstance(layers[chain[-1]], Crop | SumPool2d):
        node = chain[-1].target
        behind = [edge for edge in layers if edge.source == node]
        if len(behind) != 1 or sum(edge.target == node for edge in layers) != 1:
            break
        chain += behind
    return chain


def _is_fusible(last: Layer, before: list[Layer]) -> bool:
    """Return True for a convolution that :class:`MetricConv2d` supports, and the layers before it."""
    kinds = [type(layer).__name__ for layer in before]
    return (
        type(last) is Conv2d
        and last.padding == (0, 0)
        and last.dilation == (1, 1)
        and last.groups == 1
        and kinds in ([], ["Crop"], ["AvgPool2d"], ["Crop", "AvgPool2d"])
        and all(layer.size == layer.stride for layer in before if isinstance(layer, SumPool2d))
    )
