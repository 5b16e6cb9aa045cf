"""scikit-learn's multilayer perceptrons on this library's engine: change the import, keep the rest.

``from ffnn_fast.sklearn import MLPClassifier, MLPRegressor`` in place of
``from sklearn.neural_network import ...``: the same parameters, defaults, attributes, warnings and,
for the same ``random_state`` in float64, the same predictions up to rounding. Then what
scikit-learn's do not offer; see the classes.
"""

try:
    import sklearn  # noqa: F401  (only to say what is missing)
except ImportError as error:
    raise ImportError(
        'the estimators need scikit-learn: pip install "ffnn_fast[sklearn]"', name="sklearn"
    ) from error

from ffnn_fast.sklearn.classifier import MLPClassifier
from ffnn_fast.sklearn.regressor import MLPRegressor

__all__ = ["TRUSTED", "MLPClassifier", "MLPRegressor"]

TRUSTED = (
    "ffnn_fast.optimizers.AdaGrad",
    "ffnn_fast.optimizers.Adam",
    "ffnn_fast.optimizers.AdamW",
    "ffnn_fast.optimizers.Momentum",
    "ffnn_fast.optimizers.NAdam",
    "ffnn_fast.optimizers.Nesterov",
    "ffnn_fast.optimizers.RMSprop",
    "ffnn_fast.optimizers.Rprop",
    "ffnn_fast.optimizers.SGD",
    "ffnn_fast.optimizers.StepRule",
    "ffnn_fast.sklearn.classifier.MLPClassifier",
    "ffnn_fast.sklearn.regressor.MLPRegressor",
    "ffnn_fast.sklearn.steps.Steps",
)
"""Types in the state of a fitted estimator, for ``skops.io.load(file, trusted=TRUSTED)``."""
