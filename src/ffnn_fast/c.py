"""Networks, fitted estimators and pipelines as C code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ffnn_fast._c_code import CExportOptions, EncodersLike, export_estimator
from ffnn_fast._ensembles.ensemble import Ensemble
from ffnn_fast.network import Network

__all__ = ["to_c"]


def to_c(
    net: Network | Any,
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    dtype: str | None = None,
    jacobian: bool = False,
    fortran: bool = False,
    preprocessing: EncodersLike = None,
) -> tuple[Path, ...]:
    """A network or a fitted estimator as C: a source file of C99 and its header.

    For a network this is `ffnn_fast.Network.export_c`, which describes the code. For an estimator
    ``<name>_forward`` takes the features and gives what ``predict_proba`` gives (a classifier: the
    probabilities of all classes, those of several columns of labels one after another) or what
    ``predict`` gives (a regressor: the targets, in their own units). The file then also has the
    array ``<name>_classes`` of a classifier, of texts (UTF-8), integers or doubles, and
    ``<name>_class``, the place in it of the class that ``predict`` gives, of the probabilities. For
    several columns of labels there are ``<name>_classes_0``, ``<name>_class_0``, and so on. Labels
    of which a row may have several have no array; those above 0.5 are predicted.

    A pipeline contains its transformers: ``StandardScaler``, ``MinMaxScaler``, ``MaxAbsScaler``,
    ``RobustScaler``, ``SimpleImputer`` of numbers, ``OneHotEncoder``, ``ColumnTransformer`` and
    pipelines of these, computed in double. The functions take all columns that the pipeline was
    fitted to, in their order. A column whose categories are texts is given as the number of its
    category, which the header lists; any other number is an unknown category, which gives zeros
    whatever ``handle_unknown`` is.

    An estimator of `ffnn_fast.tabular` is one function of raw columns too: numbers, NaN where they
    are missing, one for each part of a date, and the numbers of the levels of categories. It gives
    the mean of the networks, as ``predict_proba`` or ``predict``; it has no Jacobian.

    Parameters
    ----------
    net : Network, Ensemble, MLPClassifier, MLPRegressor, Pipeline, tabular estimator or Student
        For an Ensemble this is `ffnn_fast.Ensemble.export_c`, without the last three options. A
        student of `ffnn_fast.tabular.distill` is written by its method ``to_c``. Estimators may be
        scikit-learn's own, and be wrapped by a search with ``best_estimator_`` or by a
        ``TransformedTargetRegressor`` with a scaler.
    path : str or path-like
        Ends in ``.c``; the header lies beside it. Existing files are replaced.
    name, dtype, jacobian, fortran
        As for `ffnn_fast.Network.export_c`. The Jacobian is that by raw columns: 0 for a category
        and where a number is missing or clipped.
    preprocessing : TableEncoder or (TableEncoder, TargetEncoder), optional
        Of a network only; for several targets with a tuple of target encoders.

    Returns
    -------
    tuple of Path
        The files written: source, header and, with `fortran`, the interface.

    Raises
    ------
    TypeError
        If `net` or an option is of another type.
    ValueError
        If an activation, a step of a pipeline or a class label has no form in C, an estimator is
        not fitted or is given with `preprocessing`, or an option is not as described.
    OSError
        If a file cannot be written.
    """
    if isinstance(net, Ensemble):
        if jacobian or fortran or preprocessing is not None:
            raise ValueError("jacobian, fortran and preprocessing go with a Network")
        return net.export_c(path, name=name, dtype=dtype)
    if isinstance(net, Network):
        return net.export_c(
            path, name=name, dtype=dtype, jacobian=jacobian, fortran=fortran,
            preprocessing=preprocessing,
        )  # fmt: skip
    if hasattr(net, "to_c") and preprocessing is None:
        written: tuple[Path, ...] = net.to_c(
            path, name=name, dtype=dtype, jacobian=jacobian, fortran=fortran
        )
        return written
    options = CExportOptions(name, dtype, jacobian, fortran, preprocessing)
    return export_estimator(net, path, options)
