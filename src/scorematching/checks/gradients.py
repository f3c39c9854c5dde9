"""Public gradient checks: every rule of a layer, and every gradient of a network, against automatic differentiation.

The chain of trust starts at ``forward`` alone. Sweep 2 is compared with automatic differentiation of ``forward``;
sweep 3 must be the exact adjoint of sweep 2; sweep 4 is compared with automatic differentiation through sweep 2.
The other methods of curvature are compared with :func:`brute_force`, which knows of energies alone.
"""

from __future__ import annotations

import copy
import warnings

import torch
from torch import Tensor, nn

from scorematching.curvature import ApproximationWarning, Choice
from scorematching.curvature.derivatives import score
from scorematching.curvature.objective import sm_value
from scorematching.graph import check_graph
from scorematching.layers.base import Layer, Local, Sides
from scorematching.losses.score_matching import score_matching_loss
from scorematching.runtime.validation import check_data, energies
from scorematching.sweeps import sweep1, sweep2


class CheckError(AssertionError):
    """A derivative is wrong. ``errors`` holds the relative error of every check, the passed ones too."""

    def __init__(self, subject: str, errors: dict[str, float], tolerance: float) -> None:
        wrong = ", ".join(f"{rule} {error:.1e}" for rule, error in errors.items() if not error <= tolerance)
        super().__init__(f"{subject}: relative error above {tolerance:g}: {wrong}")
        self.errors = errors


def check_layer(layer: Layer, x: Tensor, tolerance: float = 1e-10, seed: int = 0) -> dict[str, float]:
    """Check every rule of a layer in float64, at one input and random quantities of the sweeps.

    Args:
        layer: The layer; a copy in float64 is checked.
        x: An input, shape (N, ...). Its first sample is used where a whole Hessian is computed: keep it small.
        tolerance: The largest relative error that passes.
        seed: Of the random quantities.

    Returns:
        The relative error of each rule, in the order of the sweeps.

    Raises:
        CheckError: A rule is wrong; the message names it.

    Example:
        >>> import scorematching as sm
        >>> list(check_layer(sm.layers.Square(), torch.randn(4, 3)))[:5]
        ['sweep 2: d', 'sweep 2: d2', 'sweep 3: a', 'sweep 3: a2', 'sweep 4: c']
    """
    layer = copy.deepcopy(layer).double()
    x = x.detach().double()
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
    lam: float = 0.1,
    weight: Tensor | None = None,
    tolerance: float = 1e-10,
    curvature: Choice = "diagonal",
) -> dict[str, float]:
    """Check the score, and the loss's gradient by every parameter and by the data, in float64.

    For ``curvature="diagonal"`` the gradient by the four sweeps is compared with automatic differentiation through
    sweeps 1 and 2: it is exact for the ``d2`` that sweep 2 computes, whether or not that is the true diagonal. Every
    other method, which must be an exact one, is compared with :func:`brute_force`, the value of the loss too.

    Args:
        energy: The network; a copy in float64 is checked.
        x: Data, shape (N, ...).
        lam: The regularizer.
        weight: Weights of the inputs in the loss.
        tolerance: The largest relative error that passes.
        curvature: The method, as in :func:`score_matching_loss`.

    Returns:
        The relative error of ``"score"``, of ``"loss"``, of each parameter by its name, and of ``"x"``.

    Raises:
        CheckError: A gradient is wrong; the message names it.
        TypeError: ``energy`` is no graph, where the method needs one.
        ValueError: A shape does not fit, or ``x`` is not finite.

    Example:
        >>> import scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(3, 5), sm.StudentT(), sm.WeightedSum(5))
        >>> max(check_gradients(energy, torch.randn(4, 3)).values()) < 1e-10
        True
    """
    energy = copy.deepcopy(energy).double()
    x = x.detach().double().requires_grad_()
    check_data(energy, x, finite=True)
    weight = None if weight is None else weight.double()
    leaves: dict[str, Tensor] = {n: p for n, p in energy.named_parameters() if p.requires_grad} | {"x": x}
    d, d2 = _recursion(energy, x) if curvature == "diagonal" else _brute_derivatives(energy, x)
    (slope,) = torch.autograd.grad(energies(energy, x).sum(), x)
    value = sm_value(d, d2, lam, weight).mean()
    oracle = _gradients(value, leaves)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ApproximationWarning)
        loss = score_matching_loss(energy, x, lam, curvature, weight)
    found = _gradients(loss, leaves)
    errors = {"score": _relative(-score(energy, x), slope), "loss": _relative(loss, value)}
    return _verdict(type(energy).__name__, errors | {n: _relative(found[n], oracle[n]) for n in leaves}, tolerance)


def brute_force(energy: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient and the whole Hessian of an energy by automatic differentiation alone: slow, and beyond doubt.

    Args:
        energy: Any module that returns energies.
        x: Data, shape (N, ...). Keep it small: there is one backward pass an input.

    Returns:
        The gradient, shape of ``x``, and the Hessian, shape (N, D, D); both can be differentiated.

    Example:
        >>> import scorematching as sm
        >>> d, h = brute_force(sm.Sequential(sm.layers.Square(), sm.Sum()), torch.ones(1, 2))
        >>> h.tolist()
        [[[2.0, 0.0], [0.0, 2.0]]]
    """
    x = x if x.requires_grad else x.detach().requires_grad_()
    d = _gradients(energies(energy, x).sum(), {"x": x}, create=True)["x"]
    rows = [_gradients(each.sum(), {"x": x}, create=True)["x"].flatten(1) for each in d.flatten(1).unbind(1)]
    return d, torch.stack(rows, 1)


def _recursion(energy: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``d`` and ``d2`` by sweeps 1 and 2, differentiable by automatic differentiation."""
    graph = check_graph(energy, "curvature='diagonal'")
    state = sweep1(graph, x)
    sweep2(graph, state)
    return state.d[graph.input], state.d2.get(graph.input, torch.zeros_like(x))


def _brute_derivatives(energy: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``d`` and ``d2`` by :func:`brute_force`."""
    d, h = brute_force(energy, x)
    return d, h.diagonal(dim1=1, dim2=2).view_as(x)


def _check_sweep2(layer: Layer, x: Tensor, sides: Sides) -> dict[str, float]:
    """``d`` against the gradient of ``<d, f>``; ``d2`` against the Hessian of ``<d, f> + <d2, (f - f(x))^2> / 2``."""
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
    """``a``, ``a2`` against the gradient of ``<a, d> + <a2, d2>`` at the source by ``d``, ``d2`` at the target."""
    local = layer.local(x)
    d, d2 = sides.d.clone().requires_grad_(), _some(sides.d2).clone().requires_grad_()
    by_d, by_d2 = _gradients(_paired(layer, local, sides._replace(d=d, d2=d2)), {"d": d, "d2": d2}).values()
    return {
        "sweep 3: a": _relative(layer.push_a(local, sides.a, sides.a2), by_d),
        "sweep 3: a2": _relative(layer.push_a2(local, sides.a2), by_d2),
    }


def _check_sweep4(layer: Layer, x: Tensor, sides: Sides) -> dict[str, float]:
    """``c`` and the gradients against the gradient of ``<a, d> + <a2, d2> + <c, f>`` by the input and parameters."""
    x = x.clone().requires_grad_()
    names = {n: p for n, p in layer.named_parameters() if p.requires_grad}
    value = _paired(layer, layer.local(x), sides) + (_some(sides.c) * layer(x)).sum()
    oracle = _gradients(value, {"c": x, **names})
    with torch.no_grad():
        local = layer.local(x)
        found: dict[str, Tensor | None] = {"c": layer.pull_c(local, sides), **layer.gradients(local, sides)}
    return {f"sweep 4: {n}": _relative(found.get(n), oracle[n]) for n in oracle}


def _check_columns(layer: Layer, x: Tensor, h: Tensor, g: Tensor) -> dict[str, float]:
    """The rules of columns, against automatic differentiation of ``forward``, for columns (N, K, ...) of both ends."""
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
    """``<a, d> + <a2, d2>`` at the source, by sweep 2."""
    d, d2 = layer.pull_d(local, sides.d), layer.pull_d2(local, sides.d, sides.d2)
    return (_some(sides.a) * d).sum() + (_some(sides.a2) * _some(d2)).sum()


def _gradients(value: Tensor, leaves: dict[str, Tensor], create: bool = False) -> dict[str, Tensor]:
    """Gradient of a value by each leaf, zeros where it does not depend on one."""
    if not value.requires_grad:
        return {n: torch.zeros_like(leaf) for n, leaf in leaves.items()}
    found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, create_graph=create, retain_graph=True)
    return {n: torch.zeros_like(leaf) if g is None else g for (n, leaf), g in zip(leaves.items(), found, strict=True)}


def _some(tensor: Tensor | None) -> Tensor:
    """The tensor, where there must be one."""
    assert tensor is not None
    return tensor


def _relative(found: Tensor | None, expected: Tensor) -> float:
    """Largest difference over the largest entry expected, ``None`` being zero."""
    difference = expected if found is None else found - expected
    size = float(expected.detach().abs().max()) if expected.numel() else 0.0
    error = float(difference.detach().abs().max()) if difference.numel() else 0.0
    return error / size if size > 0 else error


def _verdict(subject: str, errors: dict[str, float], tolerance: float) -> dict[str, float]:
    """The errors, unless one is too large (or NaN)."""
    if not all(error <= tolerance for error in errors.values()):
        raise CheckError(subject, errors, tolerance)
    return errors
