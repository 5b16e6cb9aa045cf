"""Arrays from the user, converted once: finite, C-contiguous, of the network's dtype.

An error message states what was given and what was expected; nothing has been computed then.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ffnn_fast._conversion import as_numbers, as_numbers_and_missing
from ffnn_fast._errstate import ignoring
from ffnn_fast._model.sparse_rows import as_sparse_rows, is_sparse
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.activations import by_head
from ffnn_fast.losses import REAL, Domain, loss_of

Array = np.ndarray
MOST_WEIGHT = 1e100  # of an output
FEW = 32  # elements, whose sum takes Python less time than one call of NumPy
SMALL = 4096  # elements; below, the fewest NumPy calls count, above, the fewest passes
BLOCK = 1 << 21  # elements that are converted or checked between two checks of signals
MAX_LABEL = 2**31  # beyond every class
SIMPLEX_TOLERANCE = 1e-4  # |Σ_c y_c − 1| that still counts as a distribution in float32


def as_rows(
    X: Any, spec: NetworkSpec, name: str = "X", sparse: bool = False, finite: bool = True
) -> tuple[Any, bool]:
    """Inputs as a finite (n, n_0) matrix, and whether one sample of shape (n_0,) was given.

    Without `finite` a dense matrix may hold NaN and infinity. With `sparse` a sparse matrix becomes
    `SparseRows`; it is refused otherwise, and where the network has an input block.

    Raises
    ------
    TypeError
        If X does not hold real numbers.
    ValueError
        If X is not rectangular, has no rows or another number of columns, or holds NaN or infinity.
    """
    plain = type(X) is np.ndarray
    if not plain and sparse and spec.inputs is None and is_sparse(X):
        return as_sparse_rows(X, spec.n_inputs, spec.dtype, name), False
    if not plain and hasattr(X, "block_rows"):  # RowBlocks
        raise TypeError(
            f"{name} is {type(X).__name__}, which only Network.fit and Network.partial_fit take, "
            "both without y; other calls take its blocks one by one: for X, y in blocks"
        )
    rows = as_numbers(X, name)
    single = rows.ndim == 1
    if single:
        rows = rows[None, :]
    if rows.ndim != 2 or rows.shape[1] != spec.n_inputs:
        raise ValueError(
            f"{name} must have shape (n, {spec.n_inputs}) or ({spec.n_inputs},), "
            f"got {_shape(rows[0] if single else rows)}"
        )
    if len(rows) == 0:
        raise ValueError(f"{name} has no rows")
    return as_finite(rows, spec.dtype, name) if finite else _plain(rows, spec.dtype), single


def as_targets(y: Any, spec: NetworkSpec, n: int, name: str = "y") -> Array:
    """Targets as labels, (n,) int64, or as (n, T) values of the network's dtype.

    Labels are integers 0..n_L-1, as a vector or one column. Values must lie in the domain of the
    loss. Masked entries, None and NA are missing, as NaN is, if the network ignores missing
    targets; labels with missing ones become one-hot values, as those of several heads do. Targets
    of heads of `Head` are the columns of all side by side, or a tuple (or a list of arrays) of the
    targets of each.

    Raises
    ------
    TypeError, ValueError
        As `as_rows`; also for labels out of range and targets outside the domain of the loss.
    """
    if spec.mixed and _is_by_head(y, spec, n, name):
        return _targets_of_heads(y, spec, n, name)
    ignore = spec.missing_targets == "ignore"
    given, missing = _with_missing(y, name) if ignore else (as_numbers(y, name), None)
    given, k = _by_row(given, spec, n, name), spec.n_targets
    if missing is not None:
        missing = missing.reshape(given.shape)
    if spec.heads and not spec.mixed and given.shape != (n, k):
        return _labels_of_heads(given, missing, spec, name)
    if spec.mixed and given.shape != (n, k):
        raise ValueError(
            f"{name} must be a tuple of the targets of each of {len(spec.heads)} heads, or an "
            f"array of shape ({n}, {k}) with those of all side by side, got shape {given.shape}"
        )
    if k > 1 and (given.ndim == 1 or (spec.takes_labels and given.shape[1] == 1)):
        return _labels(given.ravel(), missing, spec, name)
    if given.ndim == 2 and given.shape[1] != k:
        raise ValueError(f"{name} must have shape ({n}, {k}), got {given.shape}")
    given = given.reshape(n, k)
    if missing is not None:
        given = np.where(missing.reshape(n, k), np.nan, given)
    dense = as_finite(given, spec.dtype, name, allow_nan=ignore)
    for head, (columns,) in zip(spec.head_specs, by_head(spec.target_widths, dense), strict=True):
        loss = loss_of(head.loss)
        if ignore and loss.targets.row != "any":
            _check_whole_rows(columns, loss.name, name)
        _check_domain(columns, loss.targets, loss.name, name)
    return dense


def _is_by_head(y: Any, spec: NetworkSpec, n: int, name: str) -> bool:
    """Whether targets are given head by head: a tuple of as many, or a list of as many arrays.

    ValueError if they are those of another number of heads: as many times n targets, not n.
    """
    arrays = isinstance(y, list) and all(isinstance(part, Array) for part in y)
    if not (arrays or isinstance(y, tuple)):
        return False
    whole = all(np.ndim(part) > 0 and len(part) == n for part in y)
    if len(y) not in (0, n, len(spec.heads)) and whole:
        raise ValueError(
            f"{name} must be a tuple of the targets of each of {len(spec.heads)} heads, got those "
            f"of {len(y)}"
        )
    return len(y) == len(spec.heads)


def _targets_of_heads(y: Any, spec: NetworkSpec, n: int, name: str) -> Array:
    """Targets of each head as columns side by side, labels as one-hot rows, (n, T)."""
    columns = []
    for place, (part, head) in enumerate(zip(y, spec.head_specs, strict=True)):
        targets = as_targets(part, head, n, f"{name}[{place}]")
        if targets.ndim == 1:
            targets = np.eye(head.n_outputs, dtype=spec.dtype)[targets]
        columns.append(targets)
    return np.ascontiguousarray(np.hstack(columns))


def as_sample_weight(
    weight: Any, spec: NetworkSpec, n: int, name: str = "sample_weight"
) -> Array | None:
    """Weights scaled to mean 1, (n,), or None; as they are where the loss takes signed ones.

    Raises
    ------
    TypeError, ValueError
        If they are not n finite numbers, >= 0 with a positive sum unless they may be signed.
    """
    if weight is None:
        return None
    if spec.signed_weights:
        return as_factors(weight, n, name, spec.dtype)
    given = checked_weights(weight, n, name)
    return np.ascontiguousarray(with_mean_one(given), dtype=spec.dtype)


def with_mean_one(weight: Array) -> Array:
    """Weights >= 0, (n,) float64, not all 0, scaled to mean 1."""
    scaled, _ = with_largest_near_one(weight)
    return scaled / scaled.mean()


def with_largest_near_one(weight: Array) -> tuple[Array, int]:
    """Weights, (n,) float64, divided by 2ᵉ so that the largest is in [1/2, 1), and e.

    So no sum of them overflows, or underflows to 0; a power of two changes no digit.
    """
    exponent = math.frexp(weight.max())[1]
    return np.ldexp(weight, -exponent), exponent


def as_output_weight(weight: Any, spec: NetworkSpec, name: str = "output_weight") -> Array | None:
    """Weights of the outputs as they are, (n_L,), or None.

    Raises
    ------
    TypeError, ValueError
        As `as_sample_weight`; or if the largest is so far from 1 that products of objectives and
        their derivatives would overflow, or vanish.
    """
    if weight is None:
        return None
    weight = checked_weights(weight, spec.n_outputs, name)
    largest = float(weight.max())
    if not 1 / MOST_WEIGHT <= largest <= MOST_WEIGHT:
        raise ValueError(
            f"the largest of {name} must lie between {1 / MOST_WEIGHT:g} and {MOST_WEIGHT:g}, got "
            f"{largest:g}; divide all by it: without a penalty only their ratios matter"
        )
    return np.ascontiguousarray(weight, dtype=spec.dtype)


def as_factors(weight: Any, n: int, name: str = "sample_weight", dtype: str = "float64") -> Array:
    """Weights of either sign as they are, (n,).

    Raises
    ------
    TypeError, ValueError
        If they are not n finite numbers.
    """
    given = as_numbers(weight, name)
    if given.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), got {given.shape}")
    return as_finite(given, dtype, name)


def checked_weights(weight: Any, n: int, name: str = "sample_weight") -> Array:
    """Weights as they are, (n,) float64; raises as `as_sample_weight`."""
    given = as_factors(weight, n, name)
    if (given < 0).any():
        row = int(np.argmax(given < 0))
        raise ValueError(
            f"{name} must be >= 0, got {given[row]} in row {row} "
            f"({int((given < 0).sum())} such rows)"
        )
    if not given.any():
        raise ValueError(f"{name} must have a positive sum, all weights are 0")
    return given


def as_finite(array: Array, dtype: str | None, name: str, allow_nan: bool = False) -> Array:
    """`array` C-contiguous in `dtype`, not copied if it is; ValueError for infinity, and for NaN
    unless `allow_nan`.
    """
    converted = _plain(array, dtype)
    bad = np.isinf(converted) if allow_nan else None
    if bad.any() if bad is not None else not all_finite(converted):
        bad = ~np.isfinite(converted) if bad is None else bad
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        where = f"row {at[0]}" + (f", column {at[1]}" if len(at) > 1 else "")
        raise ValueError(
            f"{name} must be finite in {dtype}, got {array[at]} in {where} "
            f"({int(bad.sum())} such entries)"
        )
    return converted


def _plain(array: Array, dtype: str | None) -> Array:
    """`array` C-contiguous in `dtype`, not copied if it is; infinite where it overflows."""
    if array.dtype == dtype and array.flags.c_contiguous:
        return array
    return ignoring("over", _converted, array, dtype)


def all_finite(array: Array) -> bool:
    """Whether no entry is NaN or infinite."""
    if array.size <= FEW and math.isfinite(sum(array.ravel().tolist())):
        return True
    if array.size <= SMALL:
        return bool(np.count_nonzero(np.isfinite(array)) == array.size)  # `all` takes 1 µs more
    flat = array.reshape(-1)
    return all(
        ignoring("over invalid", _has_finite_sum, block) or bool(np.isfinite(block).all())
        for block in (flat[start : start + BLOCK] for start in range(0, flat.size, BLOCK))
    )


def _has_finite_sum(block: Array) -> bool:
    """A finite sum proves that all entries are finite; einsum is three times as fast as sum."""
    return bool(np.isfinite(np.einsum("i->", block)))


def _converted(array: Array, dtype: str | None) -> Array:
    """A C-contiguous copy in another dtype or layout, made in blocks of rows."""
    if array.size <= BLOCK or array.ndim == 0:
        return np.ascontiguousarray(array, dtype=dtype)
    converted = np.empty(array.shape, dtype or array.dtype)
    step = max(1, BLOCK // (array.size // len(array)))
    for start in range(0, len(array), step):
        converted[start : start + step] = array[start : start + step]
    return converted


def as_params(params: Any, spec: NetworkSpec) -> Array:
    """A parameter vector, (P,), finite and of the network's dtype."""
    given = as_numbers(params, "params")
    if given.shape != (spec.n_params,):
        raise ValueError(f"params must have shape ({spec.n_params},), got {given.shape}")
    return as_finite(given, spec.dtype, "params")


def as_thetas(thetas: Any, spec: NetworkSpec) -> Array:
    """K parameter vectors, (K, P), finite and of the network's dtype."""
    given = as_numbers(thetas, "thetas")
    if given.ndim != 2 or given.shape[1] != spec.n_params or not len(given):
        raise ValueError(f"thetas must have shape (K, {spec.n_params}), got {given.shape}")
    return as_finite(given, spec.dtype, "thetas")


def _by_row(given: Array, spec: NetworkSpec, n: int, name: str) -> Array:
    """Targets with n rows, (n,) or (n, columns); those of one sample may lack their first axis."""
    if given.ndim == 0 and n == 1:
        given = given[None]
    elif given.ndim == 1 and n == 1 and 1 < len(given) in (spec.n_targets, len(spec.heads)):
        given = given[None, :]
    if given.ndim == 0 or given.ndim > 2 or len(given) != n:
        raise ValueError(f"{name} must have one entry per row ({n}), got shape {given.shape}")
    return given


def _with_missing(y: Any, name: str) -> tuple[Array, Array | None]:
    """Targets, and where they are missing, NaN included: bool, or None if none is."""
    given, missing = as_numbers_and_missing(y, name)
    if given.dtype.kind == "f":
        missing = np.isnan(given) if missing is None else missing | np.isnan(given)
    return given, missing if missing is not None and missing.any() else None


def _as_known_labels(given: Array, missing: Array | None, spec: NetworkSpec) -> Array:
    """Labels with 0 for missing ones; where labels may be missing, floats, which can hold NaN, as
    integers if all are whole, also in rows of which none is missing.
    """
    if spec.missing_targets == "refuse":
        return given
    known = given if missing is None else np.where(missing, np.zeros((), given.dtype), given)
    if known.dtype.kind != "f":
        return known
    whole = (known == np.trunc(known)) & (np.abs(known) < MAX_LABEL)
    return known.astype(np.int64) if whole.all() else known


def _labels(given: Array, missing: Array | None, spec: NetworkSpec, name: str) -> Array:
    k = spec.n_outputs
    given = _as_known_labels(given, None if missing is None else missing.ravel(), spec)
    if not spec.takes_labels:
        raise ValueError(f"{name} must have shape ({len(given)}, {k}), got {given.shape}")
    if given.dtype.kind == "f":
        raise TypeError(
            f"{name} must be integer class labels 0..{k - 1} of shape ({len(given)},) or targets "
            f"of shape ({len(given)}, {k}), got {given.dtype} of shape {given.shape}"
        )
    # Of an int64 < 0 the same bits are an uint64 above every label.
    whole = given.dtype == np.int64
    bad = given.view(np.uint64) >= k if whole else (given < 0) | (given >= k)
    if np.count_nonzero(bad):
        row = int(np.argmax(bad))
        raise ValueError(
            f"{name} must be class labels 0..{k - 1}, got {given[row]} in row {row} "
            f"({int(bad.sum())} such rows)"
        )
    labels = np.ascontiguousarray(given, dtype=np.int64)
    if missing is None:
        return labels
    dense = np.eye(k, dtype=spec.dtype)[labels]
    dense[missing.ravel()] = np.nan
    return dense


def _labels_of_heads(given: Array, missing: Array | None, spec: NetworkSpec, name: str) -> Array:
    """Labels (n, number of heads) as one-hot rows within each head, NaN if missing, (n, n_L)."""
    n, widths = len(given), np.array(spec.head_widths)
    expected = f"labels of shape ({n}, {len(widths)}), a column for each head"
    if given.shape != (n, len(widths)):
        raise ValueError(
            f"{name} must be {expected}, or of shape ({n}, {spec.n_outputs}), got {given.shape}"
        )
    given = _as_known_labels(given, missing, spec)
    if given.dtype.kind == "f":
        raise TypeError(f"{name} must be integer {expected}, got {given.dtype}")
    bad = (given < 0) | (given >= widths)
    if bad.any():
        row, j = (int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"column {j} of {name} must be class labels 0..{widths[j] - 1}, got {given[row, j]} "
            f"in row {row} ({int(bad.sum())} such entries)"
        )
    dense = np.zeros((n, spec.n_outputs), spec.dtype)
    starts = np.cumsum(widths) - widths
    dense[np.arange(n)[:, None], given.astype(np.int64) + starts] = 1
    if missing is not None:
        dense[np.repeat(missing, widths, axis=1)] = np.nan
    return dense


def _check_domain(y: Array, domain: Domain, loss: str, name: str) -> None:
    if domain == REAL:
        return
    bad = ((y < domain.low) | (y > domain.high)).any(axis=1)  # of NaN neither is true
    if domain.row == "one-hot":
        bad |= ((y != 0) & (y != 1) & ~np.isnan(y)).any(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        where = "be 0 or 1" if domain.row == "one-hot" else f"lie in {_interval(domain)}"
        raise ValueError(f"{name} must {where} for {loss}, got {y[row].tolist()} in row {row}")
    if domain.row != "any":
        sums = y.sum(axis=1, dtype=np.float64)
        off = np.abs(sums - 1) > SIMPLEX_TOLERANCE
        if off.any():
            row = int(np.argmax(off))
            raise ValueError(
                f"each row of {name} must sum to 1 for {loss}, got {sums[row]:.6g} in row {row}"
            )


def _check_whole_rows(y: Array, loss: str, name: str) -> None:
    missing = np.isnan(y)
    bad = missing.any(axis=1) & ~missing.all(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"a row of {name} must be NaN as a whole or not at all for {loss}, "
            f"got {y[row].tolist()} in row {row}"
        )


def _interval(domain: Domain) -> str:
    return f"[{domain.low:g}, {domain.high:g}{']' if domain.high < np.inf else ')'}"


def _shape(array: Array) -> str:
    return str(tuple(array.shape))
