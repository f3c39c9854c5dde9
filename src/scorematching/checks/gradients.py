"""Gradient checks: every rule of a layer, and every gradient of a network, against automatic differentiation.

The checks rely on ``forward`` only. Sweep 2 is compared with automatic differentiation of ``forward``. Sweep 3 must be
the exact adjoint of sweep 2. Sweep 4 is compared with automatic differentiation through sweep 2. The other curvature
methods are compared with :func:`brute_force`, which uses nothing but the energies.
"""

from __future__ import annotations

import copy
import warnings

import torch
from torch import Tensor, nn

from scorematching.curvature import ApproximationWarning, Choice
from scorematching.curvature.derivatives import score
from scorematching.curvature.objective import Objective, sm_value
from scorematching.domains import DomainChoice, domain_named
from scorematching.graph import check_graph
from scorematching.layers.base import Layer, Local, Sides
from scorematching.losses.score_matching import score_matching_loss
from scorematching.runtime.arguments import check_positive, shown
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.validation import check_data, check_weight, energies
from scorematching.sweeps import sweep1, sweep2


class CheckError(AssertionError):
    """A derivative is wrong.

    Attributes:
        errors: Relative error of every check, including those that passed.

    Example:
        >>> str(CheckError("Cube", {"sweep 2: d": 0.5, "sweep 2: d2": 0.0}, tolerance=1e-10))
        'Cube: relative error above 1e-10: sweep 2: d 5.0e-01'
    """

    def __init__(self, subject: str, errors: dict[str, float], tolerance: float) -> None:
        wrong = ", ".join(f"{rule} {error:.1e}" for rule, error in errors.items() if not error <= tolerance)
        super().__init__(f"{subject}: relative error above {tolerance:g}: {wrong}")
        self.errors = errors


def check_layer(layer: Layer, x: Tensor, tolerance: float = 1e-10, seed: int = 0) -> dict[str, float]:
    """Check every rule of a layer in float64, at a given input and random values of the sweep quantities.

    Args:
        layer: Layer to check. The check uses a copy in float64.
        x: Input, shape (N, ...). Keep it small: the full Hessian of its first sample is computed.
        tolerance: Largest relative error that passes.
        seed: Seed of the random values.

    Returns:
        Relative error of each rule, in the order of the sweeps.

    Raises:
        CheckError: A rule is wrong. The message names it.
        ValueError: The layer does not accept the shape of ``x``.

    Example:
        >>> import scorematching as sm
        >>> list(check_layer(sm.layers.Square(), torch.randn(4, 3)))[:5]
        ['sweep 2: d', 'sweep 2: d2', 'sweep 3: a', 'sweep 3: a2', 'sweep 4: c']
    """
    check_arguments(check_layer, locals())
    layer = copy.deepcopy(layer).double()
    x = x.detach().double()
    if not x.numel() or not bool(torch.isfinite(x).all()):
        raise ValueError(f"x must be a batch of one sample or more with finite values, got {shown(x)}")
    layer.check_input(x)
    generator = torch.Generator().manual_seed(seed)

    def draw(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like.device)

    y = layer(x).detach()
    sides = Sides(d=draw(y), d2=draw(y), a=draw(x), a2=draw(x), c=draw(y))
    errors = _check_sweep2(layer, x, sides) | _check_sweep3(layer, x, sides) | _check_sweep4(layer, x, sides)
    errors |= _check_columns(layer, x, *(torch.stack([draw(t) for _ in range(3)], 1) for t in (y, x)))
    return _verdict(type(layer).__name__, errors, tolerance)


def check_gradients(
    energy: nn.Module,
    x: Tensor,
    *,
    lam: float = 0.1,
    weight: Tensor | None = None,
    tolerance: float = 1e-10,
    curvature: Choice = "diagonal",
    domain: DomainChoice = None,
) -> dict[str, float]:
    """Check the score, the loss, and the gradients of the loss with respect to every parameter and the data.

    All checks are done in float64. With ``curvature="diagonal"``, the gradients of the four sweeps are compared with
    automatic differentiation through sweeps 1 and 2. They must agree even if ``d2`` of sweep 2 differs from the true
    diagonal. Every other method must be exact, and is compared with :func:`brute_force`.

    Args:
        energy: Network to check. The check uses a copy in float64.
        x: Data, shape (N, ...).
        lam: Regularizer of the loss, 0 or more.
        weight: Weights of the inputs in the loss.
        tolerance: Largest relative error that passes.
        curvature: Curvature method, as in :func:`score_matching_loss`.
        domain: Set that the data lie in, as in :func:`score_matching_loss`.

    Returns:
        Relative errors of ``"score"``, ``"loss"``, each parameter by its name, and ``"x"``.

    Raises:
        CheckError: A gradient is wrong. The message names it.
        TypeError: ``energy`` is not a graph, but the curvature method needs one.
        ValueError: A shape does not fit, or ``x`` is not finite.

    Example:
        >>> import scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(3, 5), sm.StudentT(), sm.WeightedSum(5))
        >>> max(check_gradients(energy, torch.randn(4, 3)).values()) < 1e-10
        True
    """
    lam, tolerance = check_positive("lam", lam, zero=True), check_positive("tolerance", tolerance)
    check_arguments(check_gradients, locals())
    energy = copy.deepcopy(energy).double()
    x = x.detach().double().requires_grad_()
    check_data(energy, x, finite=True)
    weight = None if weight is None else check_weight(weight.double(), x, finite=True)
    bounded = domain_named(domain)
    objective = Objective.of(lam, weight, None if bounded is None else bounded.weights(x))
    leaves: dict[str, Tensor] = {n: p for n, p in energy.named_parameters() if p.requires_grad} | {"x": x}
    d, d2 = (
        _recursion(energy, x)
        if isinstance(curvature, str) and curvature == "diagonal"
        else _brute_derivatives(energy, x)
    )
    (slope,) = torch.autograd.grad(energies(energy, x).sum(), x)
    value = sm_value(d, d2, objective).mean()
    oracle = _gradients(value, leaves)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ApproximationWarning)
        loss = score_matching_loss(energy, x, lam=lam, curvature=curvature, weight=weight, domain=bounded)
        found = _gradients(loss, leaves)
        if bounded is not None:  # without a gradient by the data, the loss is computed in another way
            alone = score_matching_loss(energy, x.detach(), lam=lam, curvature=curvature, weight=weight, domain=bounded)
            found |= _gradients(alone, {name: leaf for name, leaf in leaves.items() if leaf is not x})
    errors = {"score": _relative(-score(energy, x).detach(), slope), "loss": _relative(loss, value)}
    return _verdict(type(energy).__name__, errors | {n: _relative(found[n], oracle[n]) for n in leaves}, tolerance)


def brute_force(energy: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the gradient and the full Hessian of an energy by automatic differentiation.

    It is slow, but it uses none of the rules of this library.

    Args:
        energy: Any module that returns energies, shape (N,).
        x: Data, shape (N, ...). Keep it small: one backward pass per input is needed.

    Returns:
        The gradient, with the shape of ``x``, and the Hessian, shape (N, D, D). Both can be differentiated further.

    Example:
        >>> import scorematching as sm
        >>> d, h = brute_force(sm.Sequential(sm.layers.Square(), sm.Sum()), torch.ones(1, 2))
        >>> h.tolist()
        [[[2.0, 0.0], [0.0, 2.0]]]
    """
    check_arguments(brute_force, locals())
    check_data(energy, x, finite=True)
    x = x if x.requires_grad else x.detach().requires_grad_()
    d = _gradients(energies(energy, x).sum(), {"x": x}, create=True)["x"]
    rows = [_gradients(each.sum(), {"x": x}, create=True)["x"].flatten(1) for each in d.flatten(1).unbind(1)]
    return d, torch.stack(rows, 1)


def _recursion(energy: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``d`` and ``d2`` from sweeps 1 and 2, for automatic differentiation through the sweeps."""
    graph = check_graph(energy, "curvature='diagonal'")
    state = sweep1(graph, x)
    sweep2(graph, state)
    return state.d[graph.input], state.d2.get(graph.input, torch.zeros_like(x))


def _brute_derivatives(energy: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``d`` and ``d2`` by :func:`brute_force`."""
    d, h = brute_force(energy, x)
    return d, h.diagonal(dim1=1, dim2=2).view_as(x)


def _check_sweep2(layer: Layer, x: Tensor, sides: Sides) -> dict[str, float]:
    """Check ``d`` and ``d2``.

    ``d`` is compared with the gradient of ``<d, f>``, and ``d2`` with the diagonal of the Hessian of
    ``<d, f> + <d2, (f - f(x))^2> / 2``.
    """
    leaf = x.clone().requires_grad_()
    whole = _gradients((sides.d * layer(leaf)).sum(), {"d": leaf})["d"]
    both = [layer.pull_d(layer.local(x, curvature), sides.d) for curvature in (True, False)]
    x, d, d2 = x[:1], sides.d[:1], _some(sides.d2)[:1]
    y = layer(x).detach()

    def energy(z: Tensor) -> Tensor:
        change = layer(z.view(x.shape)) - y
        return (d * change + 0.5 * d2 * change * change).sum()

    local, flat = layer.local(x), x.flatten()
    diagonal = torch.autograd.functional.hessian(energy, flat).diagonal().view(x.shape)
    return {
        "sweep 2: d": max(_relative(found, whole) for found in both),
        "sweep 2: d2": _relative(layer.pull_d2(local, d, d2), diagonal),
    }


def _check_sweep3(layer: Layer, x: Tensor, sides: Sides) -> dict[str, float]:
    """Check ``a`` and ``a2`` at the target.

    They are compared with the gradient of ``<a, d> + <a2, d2>`` at the source, with respect to ``d`` and ``d2`` at the
    target.
    """
    local = layer.local(x)
    d, d2 = sides.d.clone().requires_grad_(), _some(sides.d2).clone().requires_grad_()
    by_d, by_d2 = _gradients(_paired(layer, local, sides._replace(d=d, d2=d2)), {"d": d, "d2": d2}).values()
    return {
        "sweep 3: a": _relative(layer.push_a(local, sides.a, sides.a2), by_d),
        "sweep 3: a2": _relative(layer.push_a2(local, sides.a2), by_d2),
    }


def _check_sweep4(layer: Layer, x: Tensor, sides: Sides) -> dict[str, float]:
    """Check ``c`` and the parameter gradients.

    They are compared with the gradient of ``<a, d> + <a2, d2> + <c, f>`` with respect to the input and the parameters.
    """
    x = x.clone().requires_grad_()
    names = {n: p for n, p in layer.named_parameters() if p.requires_grad}
    value = _paired(layer, layer.local(x), sides) + (_some(sides.c) * layer(x)).sum()
    oracle = _gradients(value, {"c": x, **names})
    with torch.no_grad():
        local = layer.local(x)
        found: dict[str, Tensor | None] = {"c": layer.pull_c(local, sides), **layer.gradients(local, sides)}
    return {f"sweep 4: {n}": _relative(found.get(n), oracle[n]) for n in oracle}


def _check_columns(layer: Layer, x: Tensor, h: Tensor, g: Tensor) -> dict[str, float]:
    """Check the rules for columns, shape (N, K, ...), against automatic differentiation of ``forward``."""
    x = x.clone().requires_grad_()
    names = {n: p for n, p in layer.named_parameters() if p.requires_grad}
    columns = list(zip(h.unbind(1), g.unbind(1), strict=True))
    y = layer(x)
    pulled = torch.stack([_gradients((y * one).sum(), {"x": x}, create=True)["x"] for one, _ in columns], 1)
    pushed = torch.stack([torch.func.jvp(layer, (x.detach(),), (two,))[1] for _, two in columns], 1)
    oracle = _gradients((pulled * g).sum(), {"c": x, **names})
    with torch.no_grad():
        local = layer.local(x)
        found: dict[str, Tensor | None] = {
            "c": layer.pull_pairing(local, h, g),
            **layer.pairing_gradients(local, h, g),
        }
        errors = {
            "columns: J^T": _relative(layer.pull_columns(local, h), pulled),
            "columns: J": _relative(layer.push_columns(local, g), pushed),
        }
    return errors | {f"columns: {n}": _relative(found.get(n), oracle[n]) for n in oracle}


def _paired(layer: Layer, local: Local, sides: Sides) -> Tensor:
    """Return ``<a, d> + <a2, d2>`` at the source, computed by sweep 2."""
    d, d2 = layer.pull_d(local, sides.d), layer.pull_d2(local, sides.d, sides.d2)
    return (_some(sides.a) * d).sum() + (_some(sides.a2) * _some(d2)).sum()


def _gradients(value: Tensor, leaves: dict[str, Tensor], create: bool = False) -> dict[str, Tensor]:
    """Return the gradient of a value with respect to each leaf, zeros for leaves that it does not depend on."""
    if not value.requires_grad:
        return {n: torch.zeros_like(leaf) for n, leaf in leaves.items()}
    found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, create_graph=create, retain_graph=True)
    return {n: torch.zeros_like(leaf) if g is None else g for (n, leaf), g in zip(leaves.items(), found, strict=True)}


def _some(tensor: Tensor | None) -> Tensor:
    """Return the tensor, and assert that it is not None."""
    assert tensor is not None
    return tensor


def _relative(found: Tensor | None, expected: Tensor) -> float:
    """Return the largest difference, relative to the largest expected entry; ``None`` stands for zeros."""
    difference = expected if found is None else found - expected
    size = float(expected.detach().abs().max()) if expected.numel() else 0.0
    error = float(difference.detach().abs().max()) if difference.numel() else 0.0
    return error / size if size > 0 else error


def _verdict(subject: str, errors: dict[str, float], tolerance: float) -> dict[str, float]:
    """Return the errors, or raise ``CheckError`` if one is too large or NaN."""
    if not all(error <= tolerance for error in errors.values()):
        raise CheckError(subject, errors, tolerance)
    return errors
