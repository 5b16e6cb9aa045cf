"""``ffnn-fast doctor``: versions and engine of this installation, and a test of its results."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import dataclass

from ffnn_fast.cli.arguments.parsing import Command
from ffnn_fast.cli.output import aligned, write_line

OPTIONAL = {
    "tqdm": "cli",
    "matplotlib": "cli",
    "jinja2": "cli",
    "openpyxl": "excel",
    "pyarrow": "parquet",
    "onnx": "onnx",
}
TOLERANCE = 1e-12  # relative, float64


@dataclass(frozen=True)
class DoctorOptions:
    """``ffnn-fast doctor`` has no options."""


def run(options: DoctorOptions) -> int:
    """Show versions and features, compare the engines; returns the exit code."""
    del options
    from ffnn_fast import __version__
    from ffnn_fast._runtime.build_info import describe
    from ffnn_fast.network import Network

    facts, used = describe(), Network([1, 1], output="identity")
    rows = [
        ("ffnn_fast", __version__),
        ("Python", f"{platform.python_version()} on {platform.system()} {facts['machine']}"),
        *((name, importlib.metadata.version(name)) for name in ("numpy", "scipy", "safetensors")),
        *((name, _version(name, extra)) for name, extra in OPTIONAL.items()),
        ("engine", f"{used.engine}, ISA level {facts['isa_level']}"),
        ("threads", f"at most {used.n_threads} by default"),
        ("available ISA levels", ", ".join(facts["isa_available"])),
        ("CPU features", ", ".join(facts["cpu_features"]) or "not known on this architecture"),
    ]
    for pool in facts["blas"]:
        name = f"{pool['internal_api']} {pool['version']}, {pool['num_threads']} threads"
        rows.append(("BLAS", f"{name}, {pool['filepath']}"))
    write_line(aligned(rows, right=False))
    error = _disagreement()
    agrees = error <= TOLERANCE
    verdict = "ok" if agrees else "FAILED"
    write_line(f"\ncompiled against reference engine: relative difference {error:.1e}  {verdict}")
    return 0 if agrees else 1


def _version(name: str, extra: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f'not installed: pip install "ffnn_fast[{extra}]"'


def _disagreement() -> float:
    """The relative difference of the two engines' gradients on a small problem, in float64."""
    import numpy as np

    from ffnn_fast.network import Network

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(33, 7)), rng.integers(0, 3, 33)
    compiled, reference = (
        np.asarray(Network([7, 17, 9, 3], dtype="float64", seed=0, engine=engine).gradient(X, y))
        for engine in ("compiled", "reference")
    )
    return float(np.abs(compiled - reference).max() / np.abs(reference).max())


COMMAND = Command(
    "doctor",
    DoctorOptions,
    run,
    description="Shows version, engine, CPU features and BLAS, and compares the compiled "
    "engine with the reference; the exit code is 1 if they disagree.",
)
