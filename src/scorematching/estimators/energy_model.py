"""Energy-based model of vectors, by the conventions of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor
from torch.utils.data import DataLoader

from scorematching.curvature import Choice
from scorematching.domains import DomainChoice, Simplex, Sphere, domain_named
from scorematching.estimators import preparation
from scorematching.estimators.named_energies import EnergyChoice, new_energy
from scorematching.estimators.path import LAMBDAS, LINEAR, Fit, Settings, generator_of
from scorematching.losses.bounds import warn_of_bounds
from scorematching.losses.repeats import repeated, warn_of_repeats
from scorematching.runtime.arguments import check_count, check_positive
from scorematching.runtime.kinds import check_memory
from scorematching.runtime.progress import ProgressCallback
from scorematching.runtime.validation import check_entries
from scorematching.sampling import hmc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Number of samples that are kept as starts of chains.
_STARTS = 256


class EnergyModel(BaseEstimator):  # type: ignore[misc]  # scikit-learn is not typed
    """Unnormalized density, fitted by regularized score matching.

    ``fit`` standardizes the data, holds out a part of them, and chooses λ by the loss J of that part, at λ = 0.
    Energies that are linear in their parameters are fitted exactly, with each part held out once (cross-validation).
    Others are fitted by Adam with early stopping. Quantized columns get uniform noise as wide as their step, because on
    gray levels J would fall without end.

    Args:
        energy: ``"gaussian"``, ``"square-root"`` (a pairwise model of positive data), ``"ica"``, ``"student-t"`` (a
            product of experts), ``"mlp"``, a function of the number of columns that returns an energy, or an energy,
            which is copied.
        domain: Set that the data lie in, as in :func:`scorematching.score_matching_loss`.
        lam: λ in squared units of standardized data, or ``"auto"`` to choose it.
        noise: Standard deviation of Gaussian noise to add to the data, in their units. The model is then one of the
            blurred density. ``None`` for none.
        given: Columns that the model conditions on, by number, or by name in a data frame. It is then
            ``p(other columns | these columns)``.
        curvature: As in :func:`scorematching.score_matching_loss`.
        standardize: Whether to standardize the columns; in domains other than ``"positive"`` they stay as they are.
        validation_fraction: Part of the samples to hold out, between 0 and 1.
        max_iter: Largest number of passes over the data for each λ.
        batch_size: Number of samples in a step.
        learning_rate: Learning rate of Adam.
        n_iter_no_change: Number of passes without a lower held-out loss after which a fit stops.
        device: Device of the computation.
        random_state: Seed, or random state of NumPy.
        progress: Called after each pass.

    Attributes:
        energy_: Fitted energy, a module for data in their units.
        lam_: Chosen λ.
        path_: Held-out loss for each λ.
        curve_: Losses of the fitted and of the held-out samples after each pass.
        n_iter_: Number of passes.
        n_features_in_: Number of columns.

    Example:
        >>> import scorematching as sm
        >>> x = np.random.default_rng(0).normal(3, 2, (5000, 2))
        >>> model = sm.EnergyModel("gaussian", lam=0.0).fit(x)
        >>> difference = np.diff(model.score_samples([[3.0, 3.0], [5.0, 3.0]]))  # log p, one sigma apart
        >>> bool(abs(difference[0] + 0.5) < 0.1)
        True
    """

    def __init__(
        self,
        energy: EnergyChoice = "student-t",
        *,
        domain: DomainChoice = None,
        lam: float | Literal["auto"] = "auto",
        noise: float | None = None,
        given: Sequence[int | str] = (),
        curvature: Choice = "auto",
        standardize: bool = True,
        validation_fraction: float = 0.1,
        max_iter: int = 200,
        batch_size: int = 256,
        learning_rate: float = 0.01,
        n_iter_no_change: int = 20,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = 0,
        progress: ProgressCallback | None = None,
    ) -> None:
        self.energy, self.domain, self.lam, self.noise, self.given = energy, domain, lam, noise, given
        self.curvature, self.standardize, self.validation_fraction = curvature, standardize, validation_fraction
        self.max_iter, self.batch_size, self.learning_rate = max_iter, batch_size, learning_rate
        self.n_iter_no_change, self.device, self.random_state = n_iter_no_change, device, random_state
        self.progress = progress

    def fit(self, X: ArrayLike | Tensor | DataLoader[Any], y: object = None) -> Self:  # noqa: N803
        """Fit the model.

        Args:
            X: Data, shape (N, D), or a loader of batches of them.
            y: Ignored.

        Warns:
            SeparatedModesWarning: The data fall into groups with little between them.
            UserWarning: Columns depend linearly on one another.

        Raises:
            TypeError: The energy is neither a name, a function nor a module.
            ValueError: An option is out of its range, ``X`` has too few samples or an invalid value, a column is
                constant or has an atom, or the loss diverges.
        """
        x = self._array(X, reset=True)
        settings = self._settings()
        free = [column for column in range(x.shape[1]) if column not in self._given(x.shape[1])]
        if self.energy == "square-root" and settings.domain is None:
            raise ValueError("energy='square-root' is for positive data: pass domain='positive'")
        noise = 0.0 if self.noise is None else check_positive("noise", self.noise)
        steps = torch.zeros(x.shape[1]) if noise else preparation.check_columns(x.cpu(), free)
        units = preparation.Standardization.of(x, settings.domain, self.standardize)
        energy = new_energy(self.energy, x.shape[1]).to(x)
        weight = torch.zeros_like(x[0]).index_fill(0, torch.tensor(free, device=x.device), 1)
        z = units(x)
        joint = isinstance(settings.domain, Simplex | Sphere)
        spread = torch.ones_like(x[0]) if joint else z.std(0)
        spread = torch.where(spread > 0, spread, 1.0)
        fit = Fit(energy, weight, spread, noise / units.scale * weight, steps.to(x) / units.scale)
        if settings.domain is None:
            warn_of_bounds(energy, x, weight)
        else:
            settings.domain.check(energy, z)
        blurred = fit.blurred(z, settings)
        if not joint:
            preparation.warn_of_dependence(blurred, free)
        if len(free) == x.shape[1] and not len(repeated(blurred)):  # groups may come from what is given, or rounding
            preparation.warn_of_groups(blurred)
        parts = preparation.folds(z, blurred, self.validation_fraction, settings.generator)
        lambdas = LAMBDAS if self.lam == "auto" else (check_positive("lam", self.lam, zero=True),)
        if isinstance(settings.domain, Sphere):
            if self.lam != "auto" and self.lam > 0:
                raise ValueError(f"on a sphere there is no regularizer: pass lam=0 or 'auto', got {self.lam}")
            lambdas = (0.0,)
        if 0 in lambdas:
            warn_of_repeats(energy, blurred, weight)
        self.lam_ = fit.along(lambdas, parts, settings)
        if isinstance(energy, LINEAR):  # no early stopping, so all samples can be used
            fit.curve = []
            replace(fit, path=[]).along((self.lam_,), [(z, blurred)], settings)
        self.energy_, self.path_, self.curve_ = preparation.InUnits(energy, units), tuple(fit.path), tuple(fit.curve)
        self.n_iter_ = len(fit.curve)
        some = torch.randperm(len(z), generator=settings.generator)[:_STARTS].to(z.device)
        self._starts, self._units, self._fit = z[some], units, fit
        return self

    def score_samples(self, X: ArrayLike | Tensor) -> np.ndarray[Any, Any]:  # noqa: N803
        """Return the log density of samples up to a constant, ``-E(x)``, shape (N,); ``-inf`` outside of the domain."""
        x = self._array(X)
        domain = domain_named(self.domain)
        with torch.no_grad():
            values = -self.energy_(x).double()
        if domain is not None:
            values = torch.where(domain.outside(x), -torch.inf, values)
        return np.asarray(values.cpu())

    def score(self, X: ArrayLike | Tensor, y: object = None) -> float:  # noqa: N803
        """Return minus the loss J of samples at λ = 0: larger is better.

        The unit is that of the standard deviations of the fitted data. Samples get the noise of the model, so models
        with different ``noise`` can't be compared.
        """
        check_is_fitted(self)
        z = self._units(self._array(X))
        settings = self._settings()
        if settings.domain is not None:
            settings.domain.check(self._fit.energy, z)
        return -self._fit.loss(self._fit.blurred(z, settings), settings)

    def sample(
        self,
        n_samples: int = 1,
        *,
        given: ArrayLike | Tensor | None = None,
        steps: int = 300,
        random_state: int | np.random.RandomState | None = None,
    ) -> np.ndarray[Any, Any]:
        """Draw samples by Hamiltonian Monte Carlo, shape (n_samples, D), each from a chain of its own.

        Chains start at samples of the data, so modes keep their weights in the data if chains do not mix.

        Args:
            n_samples: Number of samples.
            given: Values of the given columns, shape (n_samples, number of them), for a conditional model.
            steps: Number of moves to adapt the step size, and as many again to sample.
            random_state: Seed, or random state of NumPy.

        Raises:
            ValueError: ``given`` is missing, or has another shape.
        """
        check_is_fitted(self)
        check_count("n_samples", n_samples)
        generator = generator_of(random_state)
        start = self._starts[torch.randint(len(self._starts), (n_samples,), generator=generator)].clone()
        columns = self._given(self.n_features_in_)
        if given is not None and not columns:
            raise ValueError("given needs a conditional model: pass the columns as given of EnergyModel")
        if columns:
            table: Any = given
            if hasattr(table, "columns") and hasattr(self, "feature_names_in_"):
                table = table[[self.feature_names_in_[column] for column in columns]]
            values = None if table is None else torch.tensor(np.array(table)).to(start)
            if values is None or values.shape != (n_samples, len(columns)):
                raise ValueError(f"given must be the values of columns {columns}, shape ({n_samples}, {len(columns)})")
            start[:, columns] = ((values - self._units.shift[columns]) / self._units.scale[columns]).to(start)
        options: dict[str, Any] = {"project": self._fit.weight.mul} if columns else {}
        chains = hmc(
            self.energy_.energy,
            start,
            steps=steps,
            warmup=steps,
            step_size=0.1,
            domain=domain_named(self.domain),
            generator=generator,
            **options,
        )
        found: np.ndarray[Any, Any] = self._units.back(chains.x).double().cpu().numpy()
        return found

    def plot_path(self, axes: Axes | None = None) -> Axes:
        """Plot the held-out loss against λ, and return the axes; new ones by default."""
        check_is_fitted(self)
        import matplotlib.pyplot as plt

        axes = axes if axes is not None else plt.subplots()[1]
        axes.plot([point.lam for point in self.path_], [point.held_out for point in self.path_], "o-")
        axes.axvline(self.lam_, color="gray", linestyle="dashed")
        axes.set(xlabel="lambda", ylabel="held-out loss J", title=f"lambda = {self.lam_:g}")
        axes.set_xscale("symlog", linthresh=1e-3)
        return axes

    def __sklearn_is_fitted__(self) -> bool:
        """Return True after :meth:`fit`."""
        return hasattr(self, "energy_")

    def _array(self, data: Any, reset: bool = False) -> Tensor:
        """Return valid data as a tensor on the device, shape (N, D)."""
        if not reset:
            check_is_fitted(self)
        if isinstance(data, DataLoader):
            data = torch.cat([batch[0] if isinstance(batch, list | tuple) else batch for batch in data])
        if isinstance(data, Tensor):
            data = data.detach().cpu().numpy()
        check_memory("X", data)
        array = validate_data(self, data, reset=reset, dtype=np.float64, ensure_min_samples=2 if reset else 1)
        return check_entries(torch.tensor(np.ascontiguousarray(array), dtype=self._dtype, device=self.device))

    @property
    def _dtype(self) -> torch.dtype:
        """Double precision on a processor, single precision elsewhere."""
        return torch.float64 if torch.device(self.device).type == "cpu" else torch.float32

    def _given(self, columns: int) -> list[int]:
        """Return the given columns, as numbers from 0."""
        if self.given is None or isinstance(self.given, int | str):
            raise TypeError(f"given must be a sequence of columns, got {self.given!r}: pass [{self.given!r}]")
        names = list(getattr(self, "feature_names_in_", ()))
        if unknown := [column for column in self.given if isinstance(column, str) and column not in names]:
            raise ValueError(f"given has no column {unknown[0]!r}: the columns are {', '.join(names) or 'not named'}")
        numbers = [names.index(column) if isinstance(column, str) else column for column in self.given]
        found = [check_count("given", column, -columns, columns - 1) % columns for column in numbers]
        if len(set(found)) < len(found):
            raise ValueError(f"given names a column twice, got {list(self.given)}")
        if len(found) == columns:
            raise ValueError("given names all columns: leave out those that the model is of")
        return found

    def _settings(self) -> Settings:
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction must be between 0 and 1, got {self.validation_fraction}")
        return Settings(
            curvature=self.curvature,
            domain=domain_named(self.domain),
            max_iter=check_count("max_iter", self.max_iter),
            batch_size=check_count("batch_size", self.batch_size),
            learning_rate=check_positive("learning_rate", self.learning_rate),
            n_iter_no_change=check_count("n_iter_no_change", self.n_iter_no_change),
            generator=generator_of(self.random_state),
            progress=self.progress,
        )
