"""Fits of many networks on shared rows, one network a thread, dealt out as threads become free."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from ffnn_fast._model.samples import Samples, as_samples
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._public import public
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._runtime.diverged import DivergedWarning
from ffnn_fast._runtime.settings import Settings
from ffnn_fast._runtime.worker_threads import run_each
from ffnn_fast._training import loop
from ffnn_fast._training.fit import CheckedFit, checked
from ffnn_fast._training.fit_request import FitRequest
from ffnn_fast._training.fit_state import FitState, FitsTogether
from ffnn_fast._training.option_arguments import take_options
from ffnn_fast._user_line import stacklevel
from ffnn_fast.history import History


@public()
@dataclass(frozen=True)
class ManyProgress:
    """How far a call of `ffnn_fast.fit_many` has come.

    Attributes
    ----------
    networks_done, n_networks : int
        Networks whose fits have ended, and all.
    epochs_done, n_epochs : int
        Epochs over all networks; early stopping leaves some out.
    seconds : float
        Since the first network began.
    """

    networks_done: int
    n_networks: int
    epochs_done: int
    n_epochs: int
    seconds: float


ProgressCallback = Callable[[ManyProgress], object]


@dataclass
class Job:
    """A network to be fitted, and how."""

    bound: BoundNetwork
    settings: Settings
    rng: np.random.Generator
    request: FitRequest
    put_history: Callable[[History], None]
    history: History = field(default_factory=History)


def fit_many(
    jobs: Sequence[Job], X: Any, y: Any, n_threads: int, progress: ProgressCallback | None
) -> None:
    """Fit each; θ, the generators and ``job.history`` change in place.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, with the network's number; nothing has been changed.
    KeyboardInterrupt
        After every network has ended its steps at hand.
    """
    fits = _checked_fits(jobs, X, y)
    _check_generators(fits)
    _check_checkpoints(fits)
    _Fits(jobs, fits, max(1, n_threads // max(1, len(jobs))), progress).run(n_threads)


class _Fits:
    """One call of `fit_many`."""

    def __init__(
        self,
        jobs: Sequence[Job],
        fits: Sequence[CheckedFit],
        threads_each: int,
        progress: ProgressCallback | None,
    ) -> None:
        self.jobs, self.fits, self.threads_each = jobs, fits, threads_each
        self.progress = progress
        self.began = perf_counter()
        self.together = FitsTogether()
        self.bound: dict[tuple[NetworkSpec, Settings], BoundNetwork] = {}
        self.done = [False] * len(jobs)
        self.shown: tuple[int, int] | None = None

    def run(self, n_threads: int) -> None:
        """Fit all; the longest fits begin first."""
        work = [
            -fit.options.epochs * fit.data.n * job.bound.spec.n_params
            for job, fit in zip(self.jobs, self.fits, strict=True)
        ]
        order = sorted(range(len(work)), key=work.__getitem__)
        try:
            run_each(self._fit, order, n_threads, self.together.cancel, self._watch)
        finally:
            self._warn()

    def _fit(self, i: int) -> None:
        job = self.jobs[i]
        if self.together.cancelled:
            return
        try:
            state = self.fits[i].start(self._bound(job))
            state.together = self.together
            job.history = state.history
            job.put_history(state.history)
            loop.fit(state)
        except Exception as error:
            error.add_note(f"in the fit of networks[{i}]")
            raise
        self.done[i] = True

    def _bound(self, job: Job) -> BoundNetwork:
        """The network for the threads of a fit; equal ones share the plan and the scratch."""
        bound = job.bound
        if bound.limited_plan is None and bound.n_threads == self.threads_each:
            return bound
        kind = bound.spec, job.settings
        known = self.bound.get(kind)
        if known is None:
            settings = replace(job.settings, n_threads=self.threads_each)
            known = self.bound[kind] = settings.bind(bound.spec, bound.params)
        return known.on(bound.params, known.kept)

    def _watch(self) -> None:
        """Report progress, if there is some."""
        if self.progress is None:
            return
        done, epochs = sum(self.done), sum(len(job.history) for job in self.jobs)
        if (done, epochs) != self.shown:
            self.shown = done, epochs
            n_epochs = sum(fit.options.epochs for fit in self.fits)
            seconds = perf_counter() - self.began
            self.progress(ManyProgress(done, len(self.jobs), epochs, n_epochs, seconds))

    def _warn(self) -> None:
        """Give the warnings of the fits, in the order of the networks."""
        found = [(self._number(state), message) for state, message in self.together.warnings]
        for i, message in sorted(found):
            warnings.warn(f"networks[{i}]: {message}", DivergedWarning, stacklevel=stacklevel())

    def _number(self, state: FitState) -> int:
        return next(i for i, job in enumerate(self.jobs) if job.history is state.history)


def _checked_fits(jobs: Sequence[Job], X: Any, y: Any) -> list[CheckedFit]:
    """The checked arguments of each fit.

    Networks of one kind share the converted X and y; those with equal descriptions and one request
    share everything but the generator.
    """
    converted: dict[Any, Samples] = {}
    known: dict[tuple[NetworkSpec, int], CheckedFit] = {}
    first: dict[NetworkSpec, BoundNetwork] = {}
    fits = []
    for i, job in enumerate(jobs):
        kind = job.bound.spec, id(job.request)
        if kind in known and job.request.rng is None:
            fits.append(known[kind].for_generator(job.rng))
            continue
        take_options(job.bound, first.setdefault(job.bound.spec, job.bound))
        try:
            samples = _samples(converted, job, X, y)
            fits.append(checked(job.bound, job.rng, samples, job.request))
        except (TypeError, ValueError) as error:
            raise type(error)(f"networks[{i}]: {error}") from error
        known[kind] = fits[-1]
    return fits


def _samples(converted: dict[Any, Samples], job: Job, X: Any, y: Any) -> Samples:
    """X and y for a network, converted unless they are so already."""
    sparse = job.request.derivatives is None
    key = *_shape_of_samples(job.bound.spec), sparse
    if key not in converted:
        converted[key] = as_samples(job.bound.spec, X, y, sparse=sparse)
    return converted[key]


def _shape_of_samples(spec: NetworkSpec) -> tuple[Any, ...]:
    """What of a description the conversion of samples depends on."""
    return (
        spec.n_inputs, spec.n_outputs, spec.output, spec.loss, repr(spec.loss_options), spec.dtype,
        spec.missing_targets, spec.heads, spec.inputs,
    )  # fmt: skip


def _check_generators(fits: Sequence[CheckedFit]) -> None:
    """ValueError if two fits draw from one generator: then results would depend on their order."""
    known: dict[int, int] = {}
    for i, fit in enumerate(fits):
        first = known.setdefault(id(fit.rng.bit_generator), i)
        if first != i:
            raise ValueError(
                f"networks[{first}] and networks[{i}] draw from the same generator, so that the "
                "results would depend on their order; seed each by an integer, or by one of "
                "generator.spawn(n)"
            )


def _check_checkpoints(fits: Sequence[CheckedFit]) -> None:
    """ValueError if two fits write one file."""
    known: dict[str, int] = {}
    for i, fit in enumerate(fits):
        if fit.options.checkpoint is None:
            continue
        path = os.path.realpath(fit.options.checkpoint.path)
        first = known.setdefault(path, i)
        if first != i:
            raise ValueError(
                f"networks[{first}] and networks[{i}] have one checkpoint, "
                f"{fit.options.checkpoint.path}; give each a path of its own"
            )
