"""How a network is run: by which engine, on how many threads, with whose matrix products."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast._runtime.bound_network import BoundNetwork
from ffnn_fast._runtime.threads import resolve

ENGINES = ("compiled", "reference")
MATMULS = ("auto", "own", "blas")


@dataclass(frozen=True)
class Settings:
    """What was asked for, see `ffnn_fast.Network`; TypeError or ValueError if it is unknown."""

    engine: str | None = None
    n_threads: int | None = None
    matmul: str = "auto"

    def __post_init__(self) -> None:
        if self.engine_name not in ENGINES:
            raise ValueError(
                f"engine must be one of {', '.join(ENGINES)}; got {self.engine_name!r}"
            )
        if self.matmul not in MATMULS:
            raise ValueError(f"matmul must be one of {', '.join(MATMULS)}; got {self.matmul!r}")
        resolve(self.n_threads)

    @property
    def engine_name(self) -> str:
        """``"compiled"`` or ``"reference"``."""
        return self.engine or os.environ.get("FFNN_FAST_ENGINE", "compiled")

    @property
    def threads(self) -> int:
        """The most threads a call may use."""
        return resolve(self.n_threads)

    def bind(self, spec: NetworkSpec, params: np.ndarray) -> BoundNetwork:
        """The network made ready to run, on these very parameters.

        Functions of the user's own are run by the reference engine: the compiled one calls no
        Python.
        """
        backend = self._backend(spec)
        # Without vector types that the compiler maps to registers, BLAS has the faster products.
        best = "blas" if backend.__name__.endswith("engine_base") else "own"
        matmul = best if self.matmul == "auto" else self.matmul
        plan = backend.Plan(spec, self.threads, matmul)
        return BoundNetwork(spec, plan, params, backend, holds_blas=matmul == "blas")

    def _backend(self, spec: NetworkSpec) -> ModuleType:
        if self.engine_name == "reference" or spec.own_functions:
            return importlib.import_module("ffnn_fast.reference")
        return importlib.import_module("ffnn_fast.engine.isa").engine
