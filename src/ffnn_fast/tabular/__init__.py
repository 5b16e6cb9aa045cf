"""Networks for tables: scikit-learn estimators that need no tuning."""

try:
    import sklearn  # noqa: F401  (to name the extra where it is missing)
except ImportError as error:
    raise ImportError(
        'the estimators need scikit-learn: pip install "ffnn_fast[sklearn]"', name="sklearn"
    ) from error

from ffnn_fast.tabular._distillation import distill
from ffnn_fast.tabular._explanation import Explanation
from ffnn_fast.tabular._student import DistillationReport, Student
from ffnn_fast.tabular._tabular_classifier import TabularClassifier
from ffnn_fast.tabular._tabular_regressor import TabularRegressor

__all__ = [
    "DistillationReport",
    "Explanation",
    "Student",
    "TabularClassifier",
    "TabularRegressor",
    "distill",
]
