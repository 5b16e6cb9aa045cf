"""The models that are compared: each a function of the task that returns an unfitted estimator."""

import numpy as np


def _encoded(model, scale=False):
    """A model that takes numbers only behind the usual encoding of a data frame."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = [SimpleImputer(strategy="median"), *([StandardScaler()] if scale else [])]
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer(
        (make_pipeline(*numbers), make_column_selector(dtype_include="number")),
        (one_hot, make_column_selector(dtype_exclude="number")),
    )
    return make_pipeline(columns, model)


def linear(task, seed):
    """Logistic regression or ridge, standardised."""
    from sklearn.linear_model import LogisticRegression, Ridge

    model = LogisticRegression(max_iter=2000) if task.classes else Ridge()
    return _encoded(model, scale=True)


def hgb(task, seed):
    """HistGradientBoosting with its defaults."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if task.classes else HistGradientBoostingRegressor
    return _encoded(kind(random_state=seed))


def lightgbm(task, seed):
    """LightGBM with its defaults."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMClassifier if task.classes else LGBMRegressor
    return _encoded(kind(random_state=seed, n_jobs=1, verbose=-1))


class _CatBoost:
    """CatBoost with its defaults; texts are its categories."""

    def __init__(self, classes, seed):
        from catboost import CatBoostClassifier, CatBoostRegressor

        kind = CatBoostClassifier if classes else CatBoostRegressor
        self.model = kind(
            random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False
        )

    def _frame(self, X):
        X = X.copy()
        self.texts = [name for name in X.columns if X[name].dtype.kind not in "fiub"]
        for name in self.texts:
            X[name] = X[name].astype(object).where(X[name].notna(), "missing").astype(str)
        return X

    def fit(self, X, y):
        X = self._frame(X)
        self.model.fit(X, y, cat_features=self.texts)
        if hasattr(self.model, "classes_"):
            self.classes_ = np.asarray(self.model.classes_)
        return self

    def predict(self, X):
        return np.asarray(self.model.predict(self._frame(X))).ravel()

    def predict_proba(self, X):
        return self.model.predict_proba(self._frame(X))


def catboost(task, seed):
    """CatBoost with its defaults."""
    return _CatBoost(task.classes, seed)


def _ours(preset):
    def make(task, seed):
        from ffnn_fast.tabular import TabularClassifier, TabularRegressor

        kind = TabularClassifier if task.classes else TabularRegressor
        return kind(preset, random_state=seed, n_threads=1)

    return make


def _pytabkit(recipe):
    """RealMLP of its authors, on one thread."""

    def make(task, seed):
        import pytabkit

        kind = "Classifier" if task.classes else "Regressor"
        made = getattr(pytabkit, f"RealMLP_{recipe}_{kind}")
        return made(random_state=seed, device="cpu", n_threads=1)

    return make


MODELS = {
    "ours": _ours("default"), "ours fast": _ours("fast"), "ours realmlp": _ours("realmlp"),
    "ours realmlp-s": _ours("realmlp-s"), "linear": linear, "hgb": hgb, "lightgbm": lightgbm,
    "catboost": catboost, "realmlp": _pytabkit("TD"), "realmlp-s": _pytabkit("TD_S"),
}  # fmt: skip
