"""Resuming a fit: the content of a checkpoint is checked as a whole, then becomes its state."""

from __future__ import annotations

import contextlib
import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ffnn_fast._model.arrays import all_finite
from ffnn_fast._scalars import as_float, as_int, as_real
from ffnn_fast._text import MOST, quoted, shortened
from ffnn_fast._training.checkpoint import CheckpointError
from ffnn_fast._training.checkpoint_files import ARRAYS, COUNTERS, OF_BLOCKS, Content, as_plain
from ffnn_fast._training.fit_state import FitState
from ffnn_fast.schedules import Memory

Array = np.ndarray
RESUMABLE = ("", "epochs", "interrupted", "max_time")  # more epochs may follow these ends of a fit
MAX_INT = 2**63 - 1
FIGURES = {  # of a record; a callback may add others, of any type
    "loss", "val_loss", "gradient_norm", "learning_rate", "seconds", "samples_per_second",
}  # fmt: skip
POSITIONS = {"pos": "key", "buffer_pos": "buffer"}  # indices into arrays that NumPy does not check


def rng_at_start(content: Content, rng: np.random.Generator) -> dict[str, Any]:
    """State of the generator before the fit drew from it; CheckpointError if `rng` has no such."""
    return _as_rng_state(content[1]["progress"]["rng_at_start"], rng, "rng_at_start")


def dropout_seed(content: Content) -> int:
    """The seed of the dropout masks."""
    with _explained("progress"):
        return as_int(content[1]["progress"]["seed"], "seed", 0, MAX_INT)


def restore(state: FitState, content: Content) -> None:
    """Set a fit that has not started to the progress of a checkpoint.

    Raises
    ------
    CheckpointError
        If the checkpoint is of another network or of a fit with other options or rows, or holds
        what no fit writes; nothing has been changed then.
    """
    tensors, metadata = content
    progress = metadata["progress"]
    _check_same("another network", metadata["spec"], json.loads(json.dumps(state.spec.to_dict())))
    _check_same(
        "other options", metadata["options"], json.loads(json.dumps(state.options.described()))
    )
    _check_same("other rows", progress["n_rows"], state.n_rows)
    with _explained("progress"):
        counters = _as_counters(progress, state)
        records = _as_records(metadata["history"], counters["epoch"], state)
        stopped = _as_text(progress["stopped"], "stopped")
        best_epoch = _as_best_epoch(progress["best_epoch"], counters["epoch"])
        schedule_memory = _as_schedule_memory(progress["schedule"], counters["t"], state)
        stopping_memory = _as_stopping_memory(progress["stopping"], counters["epoch"], state)
        counted, sums = _as_metric_sums(progress.get(OF_BLOCKS), counters["position"], state)
    _check_arrays(tensors, state, best_epoch is not None, counters["mean_of"] > 0)
    rng_state = _as_rng_state(progress["rng"], state.rng, "rng")
    start = _as_rng_state(progress["rng_at_start"], state.rng, "rng_at_start")

    state.params[:] = tensors["params"]
    for name, attribute in ARRAYS.items():
        if name != "params":
            setattr(state, attribute, tensors.get(name))
    for name, attribute in COUNTERS.items():
        setattr(state, attribute, counters[name])
    state.schedule_memory, state.stopping_memory = schedule_memory, stopping_memory
    state.counted, state.metric_sums = counted, sums
    state.history.records[:] = records
    state.history.best_epoch = best_epoch
    state.history.stopped = "" if stopped in RESUMABLE else stopped
    state.rng_at_start = start
    state.rng.bit_generator.state = rng_state


@contextlib.contextmanager
def _explained(part: str) -> Iterator[None]:
    """TypeError and ValueError as CheckpointError."""
    try:
        yield
    except CheckpointError:
        raise
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the checkpoint has an invalid {part}: {error}") from error


def _check_same(what: str, written: Any, given: Any) -> None:
    if _are_same(written, given):
        return
    if isinstance(written, dict) and isinstance(given, dict):
        other = [
            key for key in {**written, **given} if not _are_same(written.get(key), given.get(key))
        ]
        what = f"{what} ({shortened(', '.join(other), MOST)})"
        written = {key: written[key] for key in other if key in written}
        given = {key: given[key] for key in other if key in given}
    raise CheckpointError(
        f"the checkpoint is of a fit with {what}: {quoted(written)}; got {quoted(given)}"
    )


def _are_same(written: Any, given: Any) -> bool:
    """Whether two descriptions agree; "1" and "1.0" do, since an int given for a float is one."""
    if isinstance(written, dict) and isinstance(given, dict):
        return written.keys() == given.keys() and all(
            _are_same(written[key], given[key]) for key in written
        )
    if isinstance(written, list) and isinstance(given, list):
        return len(written) == len(given) and all(map(_are_same, written, given))
    if isinstance(written, str) and isinstance(given, str) and written != given:
        with contextlib.suppress(ValueError):
            return float(written) == float(given)
    return bool(written == given)


def _as_counters(progress: dict[str, Any], state: FitState) -> dict[str, Any]:
    """The counters, if a fit on these rows with these options can have them together."""
    n, batch_size = state.rows_per_epoch, state.options.batch_size
    averaging = state.options.averaging
    epoch = as_int(progress["epoch"], "epoch", 1, MAX_INT)
    position = as_int(progress["position"], "position", 0, n)
    if position % batch_size and position != n:
        raise ValueError(f"position must be a multiple of {batch_size} or {n}, got {position}")
    t = as_int(progress["t"], "t", 0)
    steps = (epoch - 1) * state.steps_per_epoch - (-position // batch_size)
    if t != steps:
        raise ValueError(
            f"t must be {steps} in epoch {epoch} at position {position}, got {quoted(t)}"
        )
    swa = averaging is not None and averaging.kind == "swa"
    most = max(0, epoch + 1 - averaging.start) if averaging is not None and swa else 0
    return {
        "t": t,
        "epoch": epoch,
        "position": position,
        "total": as_float(progress["total"], "total", -math.inf),
        "seconds": as_float(progress["seconds"], "seconds", closed="left"),
        "mean_of": as_int(progress["mean_of"], "mean_of", 0, most),
    }


def _as_records(records: list[Any], epoch: int, state: FitState) -> list[dict[str, Any]]:
    """The records of the epochs before `epoch`; a callback may have added anything to them."""
    if len(records) != epoch - 1:
        raise ValueError(f"history must have {epoch - 1} records, got {len(records)}")
    metrics = [metric.name for metric in state.options.metrics]
    numbers = {*FIGURES, *metrics, *(f"val_{name}" for name in metrics)}
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict) or not {"epoch", "loss"} <= record.keys():
            raise ValueError(f"record {number} of history must have epoch and loss")
        as_int(record["epoch"], f"epoch in record {number} of history", number, number)
        for name in numbers & record.keys():
            as_real(record[name], f"{name} in record {number} of history")
    return records


def _as_metric_sums(written: Any, position: int, state: FitState) -> tuple[int, dict[str, float]]:
    """The sums of the metrics of the parts of an epoch that are done, and their number of rows."""
    if written is None:
        return 0, {}
    if not isinstance(written, dict) or written.keys() != {"rows", "sums"}:
        raise ValueError(f"{OF_BLOCKS} must have rows and sums, got {quoted(written)}")
    rows = as_int(written["rows"], f"rows of {OF_BLOCKS}", 0, position)
    sums = written["sums"]
    if not isinstance(sums, dict):
        raise TypeError(f"sums of {OF_BLOCKS} must be an object, got {quoted(sums)}")
    names = [metric.name for metric in state.options.metrics]
    _check_same("other metrics, in the middle of an epoch", list(sums), names)
    return rows, {name: as_real(value, f"{name} of {OF_BLOCKS}") for name, value in sums.items()}


def _as_text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {quoted(value)}")
    return value


def _as_best_epoch(value: Any, epoch: int) -> int | None:
    return None if value is None else as_int(value, "best_epoch", 1, epoch - 1)


def _as_schedule_memory(written: Any, t: int, state: FitState) -> Memory:
    """The schedule's memory, if the next learning rate follows from it."""
    memory = state.schedule.restored_memory(written)
    if memory:
        try:
            trial = copy.deepcopy(memory)
            rates = state.schedule.rates(t, 1, state.steps_per_epoch, trial)
            usable = bool(np.isfinite(rates).all() and (rates >= 0).all())
        except Exception as error:  # of a user-defined schedule
            raise ValueError(f"schedule: {type(error).__name__}: {error}") from error
        if not usable:
            raise ValueError(f"schedule gives a learning rate of {rates}")
    return memory


def _as_stopping_memory(written: Any, epoch: int, state: FitState) -> list[Memory]:
    rules = state.options.stopping
    if not isinstance(written, list) or len(written) != len(rules):
        raise ValueError(f"stopping must have an entry for each of {len(rules)} rules")
    return [
        rule.restored_memory(memory, epoch - 1) for rule, memory in zip(rules, written, strict=True)
    ]


def _check_arrays(
    tensors: dict[str, Array], state: FitState, has_best: bool, has_mean: bool
) -> None:
    """Raise CheckpointError if an array is missing, of another shape or type, or not finite."""
    shapes = {"params": state.params.shape, "state": state.optimizer_state.shape}
    shapes |= {"best": state.params.shape} if has_best else {}
    shapes |= {"mean": state.params.shape} if has_mean else {}
    if tensors.keys() != shapes.keys():
        raise CheckpointError(
            f"the checkpoint must hold the arrays {sorted(shapes)}, got {sorted(tensors)}"
        )
    for name, array in tensors.items():
        if array.shape != shapes[name] or array.dtype != state.params.dtype:
            raise CheckpointError(
                f"the checkpoint's {name!r} must have shape {shapes[name]} and type "
                f"{state.params.dtype}, got {array.shape} and {array.dtype}"
            )
        if not all_finite(array):
            raise CheckpointError(f"the checkpoint's {name!r} holds NaN or infinity")


def _as_rng_state(written: Any, rng: np.random.Generator, name: str) -> dict[str, Any]:
    """A state that `rng` can have; CheckpointError for any other."""
    with _explained(name):
        trial = copy.deepcopy(rng.bit_generator)
        state = _like(written, trial.state, name)
        try:
            trial.state = state
        except Exception as error:  # of a user-defined generator too
            raise ValueError(f"{type(error).__name__}: {error}") from error
        if as_plain(trial.state) != as_plain(state):
            raise ValueError("the generator does not take it as it is")
    return state


def _like(written: Any, model: Any, name: str) -> Any:
    """`written` with the arrays of `model`; ValueError if keys, types or shapes differ."""
    if isinstance(model, dict):
        if not isinstance(written, dict) or written.keys() != model.keys():
            raise ValueError(f"{name} must have the entries {', '.join(model)}")
        state = {key: _like(written[key], value, key) for key, value in model.items()}
        for position, array in POSITIONS.items():
            if position in state and isinstance(state.get(array), np.ndarray):
                as_int(state[position], position, 0, len(state[array]))
        return state
    if isinstance(model, np.ndarray):
        dtype, size = str(model.dtype), model.size
        values = written.get("array") if isinstance(written, dict) else None
        if not isinstance(values, list) or written.get("dtype") != dtype or len(values) != size:
            raise ValueError(f"{name} must be an array of {size} entries of {dtype}")
        if model.dtype.kind == "u":
            values = [as_int(v, f"an entry of {name}", 0, np.iinfo(dtype).max) for v in values]
        return np.array(values, dtype)
    if isinstance(model, str):
        if written != model:
            raise ValueError(f"{name} must be {model!r}, as in this fit, got {quoted(written)}")
        return model
    return as_int(written, name, 0, 2**128 - 1) if isinstance(model, (int, np.integer)) else written
