"""Build information: engine level, CPU features, BLAS."""

from __future__ import annotations

import platform
from typing import Any

from threadpoolctl import threadpool_info


def describe() -> dict[str, Any]:
    """ISA level in use and available, CPU features, and every BLAS loaded with its threads."""
    import scipy.linalg.cython_blas  # noqa: F401  (loads the BLAS that the engine calls)

    from ffnn_fast.engine import isa

    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return {
        "machine": platform.machine(),
        "isa_level": isa.level,
        "isa_available": isa.available(),
        "cpu_features": isa.cpu_features(),
        "blas": [
            {key: pool.get(key) for key in ("internal_api", "version", "num_threads", "filepath")}
            for pool in blas
        ],
    }
