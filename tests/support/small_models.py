"""Small model files with preprocessing and known weights, for the commands that read them."""

import numpy as np

from ffnn_fast import Network
from ffnn_fast.cli.table_preprocessing import KEY, TablePreprocessing
from ffnn_fast.cli.target_encoders import TargetEncoders
from ffnn_fast.preprocessing import NumericColumn, TableEncoder, TargetEncoder

YES_NO = TargetEncoder("y", "classification", ("no", "yes"))
PRICE = TargetEncoder("price", "regression", (), 100.0, 10.0)


def save(path, target, params, *, header=True, missing=("NA",), **options):
    """A network of one input a and these parameters, as ``ffnn-fast train`` would write it."""
    params = np.ravel(params)
    net = Network([1, len(params) // 2], dtype="float64", **options)
    net.params[:] = params
    names = ("a", target.name) if header else ("1", "2")
    inputs = TableEncoder((NumericColumn(names[0], 0.0, 1.0),))
    if not header:
        target = TargetEncoder("2", target.task, target.classes, target.mean, target.scale)
    preprocessing = TablePreprocessing(
        header, names, missing, inputs, TargetEncoders.of(target), {"epochs": "7"}
    )
    net.save(path, extra={KEY: preprocessing.to_json()})
    return net


def sign(path, **options):
    """Two classes: no below 0, yes above, by odds of e^{2a}."""
    return save(path, YES_NO, [-1, 1, 0, 0], **options)
