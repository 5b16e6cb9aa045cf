"""The floors of the house: reads every import and cimport and fails on a forbidden arrow."""

import ast
import re
import subprocess
import sys
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "ffnn_fast"
FLOORS = {
    0: {"engine"},
    1: {
        *("spec", "activations", "losses", "initializers", "optimizers", "metrics"),
        *("schedules", "sampling", "rules", "dropout"),
        *("validation", "preprocessing", "reference", "summary"),
    },
    2: {
        *("training", "solvers", "inspection", "persistence", "config", "threads", "execution"),
        *("machine", "interrupts", "history", "scoring", "data", "options", "run", "fitting"),
        *("stopping", "averaging", "callbacks", "checkpoint", "divergence", "diagnostics"),
        *("rate_finder", "streaming", "least_squares"),
    },
    3: {"network", "full_batch"},
    4: {"plotting", "datasets", "tensorboard", "interchange", "onnx", "sklearn"},  # doors
    5: {"__init__"},  # the name plate
    6: {"cli", "racing", "__main__"},  # the front door, and races to be watched from it
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
CONVENIENCES = {("history", "plotting")}  # inside a function: what was recorded draws itself
BUILT_ON = {"sklearn": "sklearn"}  # a door of classes that inherit from their package's
SIDEWAYS = {0, 1, 2, 3, 6}  # floors whose rooms may use one another, without a circle
DEPENDENCIES = {"numpy", "scipy", "threadpoolctl", "safetensors"}
AT_MOST_LINES = 400
HEAVY = {
    *("scipy", "pandas", "polars", "pyarrow", "matplotlib", "rich", "sklearn", "torch", "onnx"),
    *("jax", "onnxruntime", "tensorboardX"),
}
CYTHON_IMPORT = re.compile(
    r"^(?P<indent>\s*)(?:from\s+(?P<source>[\w.]+)\s+c?import\s+(?P<names>[^#\n]+)"
    r"|c?import\s+(?P<plain>[^#\n]+))",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Import:
    """One imported name: the file, the line, the dotted target, and whether it runs at import."""

    file: Path
    line: int
    target: str
    at_top: bool

    def __str__(self):
        return f"{self.file}:{self.line} imports {self.target}"


class Reader(ast.NodeVisitor):
    """Collects (line, dotted name, at top level?) of a module's imports, type checking aside."""

    def __init__(self, package):
        self.package, self.depth, self.found = package, 0, []

    def add(self, node, name):
        self.found.append((node.lineno, name, self.depth == 0))

    def visit_Import(self, node):
        for alias in node.names:
            self.add(node, alias.name)

    def visit_ImportFrom(self, node):
        base = self.package[: len(self.package) - node.level + 1] if node.level else []
        source = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            self.add(node, f"{source}.{alias.name}")

    def visit_FunctionDef(self, node):
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_Call(self, node):
        named = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        if ast.unparse(node.func).endswith("import_module") and named:
            self.add(node, named[0])
        self.generic_visit(node)

    def visit_If(self, node):
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            self.generic_visit(node)


def python_imports(text, package):
    reader = Reader(package)
    reader.visit(ast.parse(text))
    return reader.found


def cython_imports(text, package):
    """The same for Cython, line by line; a relative name is counted from `package`."""
    found = []
    for match in CYTHON_IMPORT.finditer(text):
        line = text.count("\n", 0, match.start("indent")) + 1
        source = match["source"]
        if source and source.startswith("."):
            level = len(source) - len(source.lstrip("."))
            base = package[: len(package) - level + 1]
            source = ".".join([*base, *filter(None, [source.lstrip(".")])])
        names = (match["names"] or match["plain"]).split(",")  # of a long list the first line
        for name in (name.split(" as ")[0].strip(" ()") for name in names):
            target = ".".join(filter(None, [source, name]))
            found.append((line, target, not match["indent"]))
    return found


def imports_of(source):
    """Every import under the folder `source`, which holds the package."""
    for file in sorted((source / PACKAGE).rglob("*")):
        if file.suffix in (".py", ".pyx", ".pxd"):
            read = python_imports if file.suffix == ".py" else cython_imports
            package = list(file.relative_to(source).parent.parts)
            for line, target, at_top in read(file.read_text("utf-8"), package):
                yield Import(file.relative_to(source), line, target, at_top)


def room_of(file):
    """The module or folder straight below the package that a file belongs to."""
    return Path(file.parts[1]).stem


def room_named(target):
    """The room that a dotted name of this package lies in; a public name lies in ``__init__``."""
    parts = target.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FLOOR_OF else "__init__"


def wrong_arrow(arrow):
    """Why an import inside the package is forbidden, or None."""
    here, there = room_of(arrow.file), room_named(arrow.target)
    up, down = FLOOR_OF[here], FLOOR_OF[there]
    if here == there or ((here, there) in CONVENIENCES and not arrow.at_top):
        return None
    if down > up:
        return f"{arrow}: floor {up} must not use floor {down}"
    if down == up and up not in SIDEWAYS:
        return f"{arrow}: rooms of floor {up} must not use one another"
    if up == 1 and there == "engine":
        return f"{arrow}: floor 1 is NumPy only and must not use the engine"
    return None


def wrong_package(arrow):
    """Why an import from outside the package is forbidden, or None."""
    package, floor = arrow.target.split(".")[0], FLOOR_OF[room_of(arrow.file)]
    if arrow.file.suffix != ".py":
        blas = arrow.target.startswith("scipy.linalg.cython_blas")
        if blas and arrow.file.name != "blas.pxd":
            return f"{arrow}: only blas.pxd is the door to BLAS"
        return None
    if package in sys.stdlib_module_names:
        return None
    if floor == 1 and package != "numpy":
        return f"{arrow}: floor 1 is NumPy only"
    if package not in DEPENDENCIES and package == BUILT_ON.get(room_of(arrow.file)):
        return None
    if package not in DEPENDENCIES and (arrow.at_top or floor < 4):
        return f"{arrow}: {package} is optional; a door imports it inside a function"
    return None


def complaints(source):
    """Every broken rule under the folder `source`, as sentences."""
    found, graph, optional = [], {}, {}
    for arrow in imports_of(source):
        room = room_of(arrow.file)
        if room not in FLOOR_OF:
            found.append(f"{arrow.file} is in no room: give {room} a floor")
        elif arrow.target.split(".")[0] == PACKAGE:
            found.append(wrong_arrow(arrow))
            there = room_named(arrow.target)
            if there != room and ((room, there) not in CONVENIENCES or arrow.at_top):
                graph.setdefault(room, set()).add(there)
        else:
            found.append(wrong_package(arrow))
            package = arrow.target.split(".")[0]
            if FLOOR_OF[room] == 4 and package not in DEPENDENCIES | sys.stdlib_module_names:
                optional.setdefault(room, set()).add(package)
    found += [
        f"{room} has more than one optional dependency: {sorted(packages)}"
        for room, packages in optional.items()
        if len(packages) > 1
    ]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append(f"imports go round in a circle: {' -> '.join(error.args[1])}")
    return [complaint for complaint in found if complaint]


def test_every_import_goes_down(root):
    assert complaints(root / "src") == []


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("reference.py", "from ffnn_fast.engine import isa", "must not use the engine"),
        ("reference.py", "def f():\n    import ffnn_fast.engine.isa", "must not use the engine"),
        ("losses.py", "import scipy.special", "NumPy only"),
        ("history.py", "from ffnn_fast.plotting import f", "floor 2 must not use floor 4"),
        ("training.py", "def f():\n    from ffnn_fast.plotting import f", "floor 2 must not use"),
        ("training.py", "from ffnn_fast.network import Network", "floor 2 must not use floor 3"),
        ("training.py", "from ffnn_fast import Network", "floor 2 must not use floor 5"),
        ("training.py", "from . import network", "floor 2 must not use floor 3"),
        ("network.py", "from .cli.main import run", "floor 3 must not use floor 6"),
        ("spec.py", "importlib.import_module('ffnn_fast.engine.isa')", "must not use the engine"),
        ("network.py", "def f():\n    import pandas", "pandas is optional"),
        ("plotting.py", "from ffnn_fast.datasets import digits", "must not use one another"),
        ("plotting.py", "from ffnn_fast import Network", "floor 4 must not use floor 5"),
        ("plotting.py", "import matplotlib.pyplot", "matplotlib is optional"),
        ("plotting.py", "try:\n    import matplotlib\nexcept ImportError: pass", "is optional"),
        ("plotting.py", "def f():\n    import rich, pandas", "more than one optional"),
        ("cli/train.py", "import rich", "rich is optional"),
        ("sklearn/core.py", "import pandas", "pandas is optional"),
        ("sklearn/core.py", "def f():\n    import pandas", "more than one optional"),
        ("plotting.py", "import sklearn", "sklearn is optional"),
        ("engine/isa.py", "from ..spec import NetworkSpec", "floor 0 must not use floor 1"),
        ("engine/dense.pxd", "from ffnn_fast.spec cimport x", "floor 0 must not use floor 1"),
        ("engine/engine.pyx", "    from ffnn_fast import losses", "floor 0 must not use floor 1"),
        ("engine/dense.pxd", "from scipy.linalg.cython_blas cimport dgemm", "door to BLAS"),
        ("engine/dense.pxd", "from scipy.linalg.cython_blas cimport (\n  a)", "door to BLAS"),
        ("engine/dense.pxd", "from scipy.linalg cimport cython_blas as b", "door to BLAS"),
        ("engine/dense.pxd", "cimport scipy.linalg.cython_blas", "door to BLAS"),
        ("spec.py", "from ffnn_fast.reference import forward", "round in a circle"),
        ("cellar.py", "import os", "is in no room"),
    ],
)
def test_a_planted_arrow_is_found(tmp_path, file, line, complaint):
    package = tmp_path / PACKAGE
    for name, text in {
        "spec.py": "import numpy as np\nfrom ffnn_fast.activations import logistic\n",
        "reference.py": "from ffnn_fast.spec import NetworkSpec\n",
        "engine/blas.pxd": "from scipy.linalg.cython_blas cimport dgemm, sgemm\n",
        "engine/engine.pyx": "cimport cython\nfrom ffnn_fast.engine.blas cimport gemm\n",
        "plotting.py": "def f():\n    import matplotlib.pyplot\n",
        "sklearn/core.py": "from sklearn.base import BaseEstimator\n",
        "cli/__init__.py": "from ffnn_fast import __version__\ndef f():\n    import rich, pandas\n",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    assert complaints(tmp_path) == []
    with (package / file).open("a") as planted:
        planted.write(line + "\n")
    assert any(complaint in found for found in complaints(tmp_path)), complaints(tmp_path)


def test_contributing_maps_every_room(root):
    shown = (root / "CONTRIBUTING.md").read_text("utf-8")
    rooms = {path for path in (root / "src" / PACKAGE).iterdir() if path.suffix in ("", ".py")}
    missing = [path.name for path in rooms if path.stem in FLOOR_OF and path.name not in shown]
    assert missing == []


def test_import_stays_light():
    """A fresh interpreter that imports the package has loaded no optional dependency."""
    code = f"import sys, {PACKAGE}; print(*{{name.split('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert PACKAGE in loaded
    assert HEAVY.isdisjoint(loaded)


def test_files_are_short(root):
    long = {
        str(file.relative_to(root)): lines
        for folder in ("src", "tests", "benches")
        for file in sorted((root / folder).rglob("*"))
        if file.suffix in (".py", ".pyx", ".pxd", ".pyi", ".h")
        and (lines := len(file.read_text("utf-8").splitlines())) > AT_MOST_LINES
    }
    assert long == {}
