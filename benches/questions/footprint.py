"""How large is the library: time of import, files on disk, memory of a fit?"""

import io
import subprocess
import sys
import zipfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

from packaging.requirements import Requirement

from benches.charts import footprint
from benches.report import in_megabytes, in_units
from benches.runner import ROOT, Runner
from ffnn_fast._bench import processes
from ffnn_fast._bench.interleaving import interleave
from ffnn_fast._bench.problems import Problem
from ffnn_fast._bench.processes import FFNN_FAST, Library

BARE = "bare Python"
IMPORTS = {  # library: (statement, distribution)
    FFNN_FAST: ("import ffnn_fast", "ffnn_fast"),
    "numpy": ("import numpy", "numpy"),
    "scikit-learn": ("import sklearn.neural_network", "scikit-learn"),
    "torch": ("import torch", "torch"),
    "jax": ("import jax, jax.numpy", "jax"),
    "onnxruntime": ("import onnxruntime", "onnxruntime"),
}
FIT = Problem((784, 128, 10), 128)
FITTED = [FFNN_FAST, "numpy", "scikit-learn", "torch", "jax"]


def import_seconds(statement):
    """Seconds of a new process that does nothing else."""
    began = perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True, cwd=ROOT)
    return perf_counter() - began


def files_of(distribution):
    """Its installed files, or those of the folder that its name is imported from."""
    files = metadata.distribution(distribution).files
    if files:
        return [Path(f.locate()) for f in files if "__pycache__" not in f.parts]
    folder = Path(find_spec(distribution).submodule_search_locations[0])
    return [path for path in folder.rglob("*") if "__pycache__" not in path.parts]


def with_requirements(distribution):
    """The distribution and all that it requires, as installed here."""
    found, waiting = set(), [distribution]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name.lower())
    return found


def disk_bytes(names):
    """All files of these distributions."""
    return sum(p.stat().st_size for name in names for p in files_of(name) if p.is_file())


def wheel_bytes(distribution):
    """What its files take when deflated, as in a wheel."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files_of(distribution):
            if path.is_file():
                archive.write(path)
    return packed.getbuffer().nbytes


def fit_memory(name):
    """Bytes before a fit of Fashion-MNIST's size, and bytes the fit needs beyond; a new process."""
    worker = processes.start(Library(name), Runner.operations)
    try:
        worker("train", FIT)
        worker("epoch")
        worker("load", None)
        return worker("peak_memory", FIT, 1)
    finally:
        worker.close()


def run(runner):
    """A record per library."""
    names = [library.name for library in runner.installed([Library(name) for name in IMPORTS])]
    statements = {BARE: "pass"} | {name: IMPORTS[name][0] for name in names}
    measurements = {name: lambda s=s: import_seconds(s) for name, s in statements.items()}
    print("  imports", flush=True)
    interleave(measurements, 1)
    times = interleave(measurements, 9 if runner.full else 3)
    medians = {name: sorted(seconds)[len(seconds) // 2] for name, seconds in times.items()}
    records = []
    for name in names:
        print(f"  {name}", flush=True)
        distribution = IMPORTS[name][1]
        record = {
            "library": name,
            "import_seconds": medians[name] - medians[BARE],
            "own_bytes": disk_bytes([distribution]),
            "all_bytes": disk_bytes(with_requirements(distribution)),
            "wheel_bytes": wheel_bytes(distribution) if name == FFNN_FAST else None,
        }
        if name in FITTED:
            record["before_fit_bytes"], record["fit_bytes"] = fit_memory(name)
        records.append(record)
    return records


def compare_with_targets(records):
    """There are no targets."""
    return []


def tables(records):
    """One table."""
    header = ["library", "import, beyond bare Python", "own files", "with what it requires",
              "as a wheel", "process and data before a fit", "a fit's peak beyond"]  # fmt: skip
    rows = [
        [r["library"], in_units(r["import_seconds"]),
         *(in_megabytes(r.get(key)) for key in (
             "own_bytes", "all_bytes", "wheel_bytes", "before_fit_bytes", "fit_bytes"))]
        for r in records
    ]  # fmt: skip
    return [("Footprint", header, rows)]


def plots(records):
    """Import time, disk and memory, a panel each."""
    return {"footprint": lambda path: footprint(records, path)}
