"""scikit-learn's multilayer perceptrons on this library's engine.

Replace ``from sklearn.neural_network import ...`` by
``from ffnn_fast.sklearn import MLPClassifier, MLPRegressor``: parameters, defaults, attributes and
warnings are the same and, for the same ``random_state`` in float64, so are the predictions up to
rounding. The classes document what they offer in addition.
"""

try:
    import sklearn  # noqa: F401  (to name the extra where it is missing)
except ImportError as error:
    raise ImportError(
        'the estimators need scikit-learn: pip install "ffnn_fast[sklearn]"', name="sklearn"
    ) from error

from ffnn_fast.sklearn._bagging import BaggedMLPClassifier, BaggedMLPRegressor
from ffnn_fast.sklearn._classifier import MLPClassifier
from ffnn_fast.sklearn._regressor import MLPRegressor
from ffnn_fast.sklearn._search import MLPSearchCV

__all__ = [
    "TRUSTED",
    "BaggedMLPClassifier",
    "BaggedMLPRegressor",
    "MLPClassifier",
    "MLPRegressor",
    "MLPSearchCV",
]

TRUSTED = (
    "ffnn_fast.optimizers.AMSGrad",
    "ffnn_fast.optimizers.AdaDelta",
    "ffnn_fast.optimizers.AdaGrad",
    "ffnn_fast.optimizers.AdaMax",
    "ffnn_fast.optimizers.Adam",
    "ffnn_fast.optimizers.AdamW",
    "ffnn_fast.optimizers.Momentum",
    "ffnn_fast.optimizers.NAdam",
    "ffnn_fast.optimizers.Nesterov",
    "ffnn_fast.optimizers.RAdam",
    "ffnn_fast.optimizers.RMSprop",
    "ffnn_fast.optimizers.Rprop",
    "ffnn_fast.optimizers.SGD",
    "ffnn_fast.schedules.Constant",
    "ffnn_fast.schedules.CosLog",
    "ffnn_fast.schedules.Cosine",
    "ffnn_fast.schedules.Exponential",
    "ffnn_fast.schedules.FlatCosine",
    "ffnn_fast.schedules.InverseScaling",
    "ffnn_fast.schedules.OneCycle",
    "ffnn_fast.schedules.ReduceOnPlateau",
    "ffnn_fast.schedules.StepDecay",
    "ffnn_fast.schedules.WarmUp",
    "ffnn_fast.sklearn.BaggedMLPClassifier",
    "ffnn_fast.sklearn.BaggedMLPRegressor",
    "ffnn_fast.sklearn.MLPClassifier",
    "ffnn_fast.sklearn.MLPRegressor",
)
"""Types in the state of an estimator, for ``skops.io.load(file, trusted=TRUSTED)``.

Types that contain functions of the user, such as `ffnn_fast.Activation` and
`ffnn_fast.schedules.Custom`, are not among them.
"""
