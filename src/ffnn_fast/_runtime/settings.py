"""Settings: the engine, the number of threads and the matrix products that a network uses."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from ffnn_fast import reference
from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_copy
from ffnn_fast._runtime.threads import follows_openmp, most_threads, openmp_limit, resolve
from ffnn_fast._scalars import as_choice

ENGINES = ("compiled", "reference")
MATMULS = ("auto", "own", "blas")


@dataclass(frozen=True)
class Settings:
    """The settings of a network's computation, as given.

    Parameters
    ----------
    engine : {"compiled", "reference"} or None, default None
        None: the environment variable ``FFNN_FAST_ENGINE``, else ``compiled``.
    n_threads : int or None, default None
        See `ffnn_fast._runtime.threads.resolve`.
    matmul : {"auto", "own", "blas"}, default "auto"
        Matrix products of the compiled engine.

    Raises
    ------
    TypeError, ValueError
        If a setting is unknown.
    """

    engine: str | None = None
    n_threads: int | None = None
    matmul: str = "auto"

    def __post_init__(self) -> None:
        as_choice(self.engine_name, "engine", ENGINES)
        as_choice(self.matmul, "matmul", MATMULS)
        resolve(self.n_threads)

    @property
    def engine_name(self) -> str:
        """``"compiled"`` or ``"reference"``."""
        return self.engine or os.environ.get("FFNN_FAST_ENGINE", "compiled")

    @property
    def threads(self) -> int:
        """The most threads that a call may use now."""
        return resolve(self.n_threads)

    def bind(self, spec: NetworkSpec, params: np.ndarray) -> BoundNetwork:
        """The network bound to an engine, which works on `params`, (P,), in place.

        The reference engine runs user-defined functions: the compiled one calls no Python.
        """
        backend = self._backend(spec)
        # Without vector types that the compiler maps to registers, BLAS has the faster products.
        best = "blas" if backend.__name__.endswith("engine_base") else "own"
        matmul = best if self.matmul == "auto" else self.matmul
        n_threads = most_threads(self.n_threads)
        calls_blas = matmul == "blas" and backend is not reference and not spec.is_extended
        if backend is reference or calls_blas or not follows_openmp(self.n_threads):
            plan = backend.Plan(spec, n_threads, matmul)
            return BoundNetwork(spec, plan, params, backend, calls_blas, n_threads)
        plans = _Plans(spec, backend, matmul)
        return BoundNetwork(
            spec, plans.widest, params, backend, n_threads=n_threads, limited_plan=plans.now
        )

    def bind_double(self, bound: BoundNetwork) -> BoundNetwork:
        """The same network in float64, on a copy of θ; everything else is made once."""
        double = bound if bound.spec.dtype == "float64" else bound.made.get("double")
        theta = aligned_copy(bound.params, "float64")
        if double is None:
            double = self.bind(replace(bound.spec, dtype="float64"), theta)
            bound.made["double"] = double.on(theta[:0])  # which does not keep θ in memory
        return double.on(theta)

    def _backend(self, spec: NetworkSpec) -> ModuleType:
        if self.engine_name == "reference" or spec.own_functions:
            return importlib.import_module("ffnn_fast.reference")
        return importlib.import_module("ffnn_fast.engine.isa").engine


class _Plans:
    """Plans of a network for every number of threads that OpenMP has allowed so far."""

    def __init__(self, spec: NetworkSpec, backend: ModuleType, matmul: str) -> None:
        self._spec, self._backend, self._matmul = spec, backend, matmul
        self._most = most_threads(None)
        self.widest = self._make(self._most)
        self._by_threads: dict[int, Any] = {self._most: self.widest}

    def _make(self, n: int) -> Any:
        return self._backend.Plan(self._spec, n, self._matmul)

    def now(self) -> Any:
        """The plan for the limit in force in the calling thread."""
        n = min(self._most, openmp_limit())
        plan = self._by_threads.get(n)
        if plan is None:
            plan = self._by_threads[n] = self._make(n)
        return plan
