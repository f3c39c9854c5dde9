"""Forward Laplacian of folx, a JAX library, on the same networks, weights and data.

It propagates value, Jacobian and Laplacian forward through the network in one pass. Reference: Li et al. 2024, *A
computational framework for neural network-based variational Monte Carlo with forward Laplacian*.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

import scorematching as sm
from benchmarks.networks import Network, data
from benchmarks.peers import FEW, Step, check_agreement
from scorematching.layers import SiLU, StudentTMixture


def folx_step(network: Network, batch: int) -> Step:
    """Return a step of the loss at ``lam = 0`` and its gradient, compiled by XLA for the CPU.

    ``folx.forward_laplacian`` computes the gradient with respect to the data and the trace of the Hessian. It does not
    compute the diagonal, so there is no regularizer. folx does not support convolutions; here they are registered as
    linear maps.
    """
    import folx  # may be missing
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_platforms", "cpu")
    _register_convolutions()
    energy = network.build()
    parameters = [{name: _array(p) for name, p in layer.named_parameters()} for layer in energy.layers]
    layers = [translated(layer) for layer in energy.layers]

    def energy_of(parameters: list[dict[str, Any]], x: Any) -> Any:
        for layer, own in zip(layers, parameters, strict=True):
            x = layer(own, x)
        return x

    def loss(parameters: list[dict[str, Any]], x: Any) -> Any:
        def each(sample: Any) -> Any:
            found = folx.forward_laplacian(partial(energy_of, parameters))(sample)
            return 0.5 * jnp.sum(found.jacobian.dense_array**2) - found.laplacian

        return jnp.mean(jax.vmap(each)(x))

    value_and_gradient = jax.jit(jax.value_and_grad(loss))
    check_agreement("folx", float(jax.jit(loss)(parameters, _array(data(network, FEW)))), network)
    x = _array(data(network, batch))
    return lambda: jax.block_until_ready(value_and_gradient(parameters, x))


def translated(layer: Any) -> Callable[[dict[str, Any], Any], Any]:
    """Translate a layer to a JAX function of its parameters and of one sample.

    Raises:
        TypeError: This type of layer has no translation.
    """
    import jax
    import jax.numpy as jnp

    found: Callable[[dict[str, Any], Any], Any] | None = None
    match layer:
        case sm.Linear():
            found = lambda p, x: p["weight"] @ x + p.get("bias", 0.0)  # noqa: E731
        case sm.Conv2d(stride=(1, 1), padding=(0, 0), groups=1, dilation=(1, 1)):
            found = _convolution
        case SiLU():
            found = lambda _, x: x * jax.lax.logistic(x)  # noqa: E731
        case sm.StudentT():
            found = lambda _, x: jnp.log1p(0.5 * (x / float(layer.scale)) ** 2)  # noqa: E731
        case StudentTMixture():
            found = partial(_mixture, layer.scales)
        case sm.WeightedSum():
            found = lambda p, x: jnp.sum(p["weight"].reshape(-1, *[1] * (x.ndim - 1)) * x)  # noqa: E731
        case sm.Sum():
            found = lambda _, x: layer.weight * jnp.sum(x)  # noqa: E731
    if found is None:
        raise TypeError(f"{type(layer).__name__} has no translation to JAX: add a case to translated")
    return found


def _convolution(p: dict[str, Any], x: Any) -> Any:
    """Apply a convolution."""
    import jax

    y = jax.lax.conv_general_dilated(x[None], p["weight"], (1, 1), "VALID")[0]
    return y + p["bias"][:, None, None] if "bias" in p else y


def _mixture(scales: tuple[float, ...], p: dict[str, Any], x: Any) -> Any:
    """Apply mixtures of Student-t."""
    import jax.numpy as jnp

    weights = p["weight"].T.reshape(len(scales), -1, *[1] * (x.ndim - 1))
    return sum(w * s * s * jnp.log1p(x * x / (2 * s * s)) for w, s in zip(weights, scales, strict=True))


def _register_convolutions() -> None:
    """Tell folx that convolutions are linear."""
    import folx
    import jax
    from folx.api import FunctionFlags

    primitive = jax.lax.conv_general_dilated_p
    folx.register_function(
        primitive, folx.wrap_forward_laplacian(primitive.bind, flags=FunctionFlags.LINEAR, name="convolution")
    )


def _array(tensor: Tensor) -> Any:
    """Convert a tensor to a JAX array."""
    import jax.numpy as jnp

    return jnp.asarray(tensor.detach().numpy())
