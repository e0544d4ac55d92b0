"""The models that learn a target from features of compositions, by scikit-learn."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import InputError
from .glasses import Glasses, scaled
from .smoothers import Smoother

COMPOSITION = "composition"
#: From the simplest on; the first three are what every other has to beat.
MODELS = ("mean", "linear", "ridge", "gp", "forest", "boosting")
LABELS = {
    "mean": "mean",
    "linear": "linear in composition",
    "ridge": "ridge regression",
    "gp": "Gaussian process",
    "forest": "random forest",
    "boosting": "gradient boosting",
}
#: In a sentence.
SPOKEN = {
    "mean": "the mean",
    "linear": "the model linear in composition",
    "ridge": "ridge regression",
    "gp": "the Gaussian process",
    "forest": "the random forest",
    "boosting": "gradient boosting",
}
Predict = Callable[[np.ndarray], np.ndarray]


def fitted(model: str, glasses: Glasses, seed: int = 0) -> Predict:
    """A function from features (M, F) to predictions (M,), of a model fitted to all `glasses` with their weights.

    Features are scaled by what is fitted to, so that nothing of other compositions enters. The penalty of the ridge
    regression is chosen by leave-one-composition-out, the parameters of the Gaussian process by its likelihood.
    """
    weights = glasses.weights()
    mean = float(np.average(glasses.target, weights=weights))
    if model == "linear" and COMPOSITION not in glasses.blocks:
        raise InputError("model linear: there is no composition to be linear in")
    used = glasses.blocks[COMPOSITION] if model == "linear" else np.arange(glasses.features.shape[1])
    if model == "mean" or len(used) == 0:
        return lambda features: np.full(len(features), mean)
    train = scaled(glasses.features, glasses.blocks)[:, used]
    if model == "ridge":
        # many fits are made, and this one is ten times as fast as scikit-learn's RidgeCV, which finds the same
        smoother, target = Smoother.of(train, weights), glasses.target[:, None]
        return lambda features: smoother.predicted(target, _like(features, glasses, used))[0][:, 0]
    estimator = _estimator(model, glasses, seed)
    # trees do not split below a fixed impurity: of a diffusion coefficient in m²/s they would learn nothing
    spread = float(glasses.target.std()) or 1.0
    target = (glasses.target - mean) / spread
    if model == "gp":
        # the process has errors of rows, not weights
        estimator.fit(train, target)
    else:
        estimator.fit(train, target, sample_weight=weights)
    return lambda features: mean + spread * estimator.predict(_like(features, glasses, used))


def _like(features: np.ndarray, glasses: Glasses, used: np.ndarray) -> np.ndarray:
    return scaled(features, glasses.blocks, glasses.features)[:, used]


def _estimator(model: str, glasses: Glasses, seed: int) -> Any:
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
    from sklearn.linear_model import LinearRegression

    if model == "linear":
        return LinearRegression()
    if model == "gp":
        return gaussian_process(glasses)
    if model == "forest":
        return RandomForestRegressor(100, min_samples_leaf=2, max_features=1 / 3, random_state=seed, n_jobs=1)
    if model == "boosting":
        return GradientBoostingRegressor(
            n_estimators=100, learning_rate=0.05, max_depth=2, subsample=0.7, min_samples_leaf=2, random_state=seed
        )
    raise InputError(f"model {model!r}: known are {', '.join(MODELS)}")


def gaussian_process(glasses: Glasses) -> Any:
    """A process with an isotropic Gaussian kernel on the scaled features, and the known errors of the target."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * RBF(2.0, (0.1, 1e2)) + WhiteKernel(0.3, (1e-4, 1e1))
    spread = float(glasses.target.std()) or 1.0
    noise = np.where(np.isfinite(glasses.error), glasses.error / spread, 0.0) ** 2 + 1e-8
    return GaussianProcessRegressor(kernel, alpha=noise, normalize_y=True)


@contextmanager
def quiet() -> Iterator[None]:
    """Without checks of arrays that are known to be sound, and without warnings of parameters of a Gaussian process at
    their bounds: errors that explain the whole scatter leave no noise to be fitted, and what depends on nothing has no
    length. What such a process is worth, the compositions left out tell.
    """
    import sklearn
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(), sklearn.config_context(skip_parameter_validation=True, assume_finite=True):
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
