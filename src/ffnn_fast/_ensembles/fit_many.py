"""fit_many: the fits of many networks on shared rows, one network a thread."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from numpy.typing import ArrayLike

from ffnn_fast._names import hint
from ffnn_fast._runtime.threads import resolve
from ffnn_fast._scalars import as_choice
from ffnn_fast._text import quoted
from ffnn_fast._training import many
from ffnn_fast._training.fit_request import FitRequest
from ffnn_fast._training.many import ProgressCallback
from ffnn_fast.history import History
from ffnn_fast.network import Network

FOR_ALL = ("on_interrupt", "comm")  # options of the call as a whole, or of single fits


def fit_many(
    networks: Sequence[Network],
    X: ArrayLike,
    y: ArrayLike,
    *,
    rows: Sequence[ArrayLike | None] | None = None,
    each: Sequence[Mapping[str, Any]] | None = None,
    n_threads: int | None = None,
    progress: ProgressCallback | None = None,
    on_interrupt: str = "raise",
    **options: Any,
) -> list[History]:
    """Fit many networks on shared rows, one network a thread.

    Networks may differ in everything: widths, activations, seeds, rows, options. A thread takes
    the next network as soon as it is free, and nothing of Python runs between the steps of an
    epoch. The results have the bits of ``networks[i].fit(X, y, rows=rows[i], **options)``, one
    after another, for any number of threads and in any order.

    Parameters
    ----------
    networks : sequence of Network
        Trained in place; each takes these X and y. Each has a generator of its own: seed them by
        integers, or by ``generator.spawn(n)``.
    X, y : array-like
        As in `Network.fit`; converted once, shared, never copied for a network.
    rows : sequence of array-like, optional
        For each network the indices of its rows, or None for all: as `rows` of `Network.fit`.
    each : sequence of mapping, optional
        For each network the options of `Network.fit` that are its own, as
        ``[{"learning_rate": 0.1}, {"learning_rate": 0.01}]``; they replace those in `options`.
    n_threads : int, optional
        Networks that are fitted at a time; default and negative numbers as in `Network`. If there
        are fewer networks than threads, each uses several.
    progress : callable, optional
        Called with a `ManyProgress` by the calling thread, when networks or epochs have ended.
    on_interrupt : {"raise", "return"}, default "raise"
        After Ctrl-C every network ends its steps at hand; then raise KeyboardInterrupt, or return.
        ``history.stopped`` is ``"interrupted"`` for those that had begun, empty for the others. If
        all had ended, it is ``"interrupted"`` for the last of `networks`.
    **options
        Of `Network.fit`, for all networks: `epochs`, `batch_size`, `optimizer`, and so on.
        Callbacks are called by several threads.

    Returns
    -------
    list of History
        In the order of the networks. That of a network that has diverged has
        ``stopped == "diverged"``; the others go on.

    Warns
    -----
    DivergedWarning
        For each network that has diverged, with its number.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, with the number of the network; nothing has been
        changed then.
    Exception
        That of a callback or a file, with a note that names the network, after the other networks
        have ended their steps at hand.

    Examples
    --------
    >>> import numpy as np
    >>> from ffnn_fast import Network, fit_many
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3))
    >>> y = X[:, 0] * X[:, 1]
    >>> networks = [Network([3, width, 1], output="identity", seed=width) for width in (4, 8, 16)]
    >>> rates = [{"learning_rate": rate} for rate in (0.02, 0.01, 0.005)]
    >>> histories = fit_many(networks, X, y, each=rates, epochs=5, n_threads=2)
    >>> [len(history) for history in histories]
    [5, 5, 5]
    """
    nets = _as_networks(networks)
    requests = _requests(len(nets), rows, each, options)
    returns = as_choice(on_interrupt, "on_interrupt", ("raise", "return")) == "return"
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be callable, got {quoted(progress)}")
    jobs = [net._fit_job(request) for net, request in zip(nets, requests, strict=True)]
    try:
        many.fit_many(jobs, X, y, resolve(n_threads), progress)
    except KeyboardInterrupt:
        if jobs and all(job.history.stopped not in ("", "interrupted") for job in jobs):
            jobs[-1].history.stopped = "interrupted"
        if not returns:
            raise
    return [job.history for job in jobs]


def _as_networks(networks: Any) -> list[Network]:
    if isinstance(networks, Network) or not isinstance(networks, Sequence):
        raise TypeError(f"networks must be a sequence of Network, got {type(networks).__name__}")
    known: dict[int, int] = {}
    for i, net in enumerate(networks):
        if not isinstance(net, Network):
            raise TypeError(f"networks[{i}] must be a Network, got {type(net).__name__}")
        if (first := known.setdefault(id(net), i)) != i:
            raise ValueError(f"networks[{first}] and networks[{i}] are one network; copy it")
    return list(networks)


def _requests(n: int, rows: Any, each: Any, options: Mapping[str, Any]) -> list[FitRequest]:
    """The options of each fit; one object where a network has none of its own."""
    given = []
    for i, own in enumerate(_one_for_each(each, n, "each", {})):
        if not isinstance(own, Mapping) or not all(isinstance(name, str) for name in own):
            raise TypeError(f"each[{i}] must map names of options to values, got {quoted(own)}")
        given.append(dict(own))
    for i, part in enumerate(_one_for_each(rows, n, "rows", None)):
        if part is not None:
            if "rows" in given[i]:
                raise ValueError(f"the rows of networks[{i}] are given in rows and in each")
            given[i]["rows"] = part
    if n > 1 and options.get("checkpoint") is not None:
        raise ValueError("fits cannot share one checkpoint; give a path in each")
    known = _defaults()
    for name in {**options, **{name: None for own in given for name in own}}:
        if name not in known or name in FOR_ALL:
            raise TypeError(
                f"fit_many() got an unexpected option {name!r}{hint(name, list(known))}"
            )
    shared = FitRequest(**{**known, **{name: _reusable(one) for name, one in options.items()}})
    return [shared._replace(**own) if own else shared for own in given]


def _reusable(value: Any) -> Any:
    """An option of all networks, which one that can be read once would give to the first only."""
    return list(value) if isinstance(value, Iterator) else value


def _one_for_each(values: Any, n: int, name: str, default: Any) -> list[Any]:
    if values is None:
        return [default] * n
    if isinstance(values, (str, Mapping)) or not isinstance(values, Sequence):
        raise TypeError(f"{name} must be a sequence with an entry for each network")
    if len(values) != n:
        raise ValueError(f"{name} must have {n} entries, one for each network, got {len(values)}")
    return list(values)


@cache
def _defaults() -> dict[str, Any]:
    """The options of `Network.fit` with their defaults."""
    parameters = inspect.signature(Network.fit).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
