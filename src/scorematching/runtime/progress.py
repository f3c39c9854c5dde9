"""Progress of long computations: one protocol for training, restoration and sampling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """Progress of a long computation.

    Attributes:
        step: Number of completed steps. It is a fraction if a step has parts.
        steps: Total number of steps, or an upper bound.
        figures: Named numbers, such as the loss of a training.

    Example:
        >>> print(Progress(5, 10, {"loss": -1.25}))
        5 of 10, loss -1.25
    """

    step: float
    steps: int
    figures: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return ", ".join([f"{self.step:g} of {self.steps}", *(f"{n} {v:.4g}" for n, v in self.figures.items())])


#: Function that is called with the progress after each step.
ProgressCallback = Callable[[Progress], None]


def subtask(progress: ProgressCallback | None, first: int, last: int, parts: int) -> ProgressCallback | None:
    """Rescale the progress of a subtask to that of the whole task.

    Args:
        progress: Callback of the whole task.
        first: Number of equal parts done before the subtask.
        last: Number of parts done after it.
        parts: Number of parts of the whole task.

    Example:
        >>> subtask(print, 1, 3, parts=3)(Progress(5, 10))
        20 of 30
    """
    if progress is None:
        return None

    def rescaled(state: Progress) -> None:
        step = first * state.steps + (last - first) * state.step
        progress(Progress(step, parts * state.steps, state.figures))

    return rescaled
