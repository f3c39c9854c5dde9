"""All public callables, by the names that a user writes after ``sm.``."""

from __future__ import annotations

import inspect
from typing import Any, get_origin

import scorematching as sm

_PACKAGES = (
    *("checks", "curvature", "domains", "energies", "estimators", "images", "layers", "losses", "noise", "plotting"),
    *("priors", "restoration", "runtime", "sampling", "statistics", "tracing", "training"),
)
#: Records that functions return or pass on. Nobody makes them by hand.
_RECORDS = {
    *("Bootstrap", "Comparison", "Crops", "CurvatureReport", "DenoisedRaw", "Derivatives", "Estimate"),
    *(
        "ExactnessReport",
        "FisherDivergence",
        "FitResult",
        "L1Path",
        "LamChoice",
        "LogNormalizer",
        "Metadata",
        "NoiseEstimate",
    ),
    *("Origin", "Planes", "Processes", "Progress", "Samples", "SteinTest", "Summary", "Weights"),
}


def public_callables() -> dict[str, Any]:
    """Return the public functions and classes, each under its shortest name; not errors, protocols and records."""
    found: dict[str, Any] = {}
    for package in ("", *_PACKAGES):
        module = getattr(sm, package) if package else sm
        for name in sorted(module.__all__):
            value = getattr(module, name)
            if callable(value) and not _is_made_by_others(value) and all(value is not one for one in found.values()):
                found[f"{package}.{name}" if package else name] = value
    return found


def _is_made_by_others(value: Any) -> bool:
    """Return whether a name is a type that users do not call."""
    if not inspect.isclass(value):
        return get_origin(value) is not None or not hasattr(value, "__module__") or not inspect.isroutine(value)
    return (
        issubclass(value, BaseException) or inspect.isabstract(value) or value.__name__ in _RECORDS or _protocol(value)
    )


def _protocol(value: type) -> bool:
    return bool(getattr(value, "_is_protocol", False))
