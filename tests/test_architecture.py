"""The layers: an import goes down, never up, and never in a circle."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from support.imports import PACKAGE, circles, graph_of, imports_of

FORMULAS = {
    *("activations", "losses", "initializers", "optimizers", "schedules", "metrics"),
    *("preprocessing", "datasets", "callbacks", "history", "inputs"),
    "_input_columns",
}
INTEGRATIONS = {"tensorboard", "interchange", "onnx", "sklearn", "tabular", "c"}
ON_NETWORKS = {*INTEGRATIONS, "online"}
# cli, _bench → integrations → _ensembles → network → _training | _solvers → _runtime → reference →
# _model → formulas → nothing; the engine imports nothing above it. plotting draws arrays and
# descriptions.
LAYERS = [
    {"_text", "c_api", "_command_start"},
    {"engine", "_public", "_user_line", "_names", "_errstate"},
    {"_scalars", "_conversion", "_activation_derivatives", "_columns", "_row_files"},
    FORMULAS,
    {"_model", "blocks"},
    {"_reference"},
    {"reference", "plotting"},
    {"_runtime"},
    {"_training", "_solvers", "_c_code"},
    {"network"},
    {"_ensembles"},
    ON_NETWORKS,
    {"__init__"},
    {"cli", "_bench", "__main__"},
]
LAYER_OF = {unit: layer for layer, units in enumerate(LAYERS) for unit in units}
MAY_USE_THEIR_LAYER = FORMULAS | {"cli", "__main__"}
NUMPY_ONLY = FORMULAS | {
    "_scalars",
    "_columns",
    "_conversion",
    "_text",
    "_public",
    "_user_line",
    "_names",
    "_errstate",
    "_reference",
    "_activation_derivatives",
    "reference",
}
DEPENDENCIES = {"numpy", "scipy", "threadpoolctl", "safetensors"}
OWNERS = {  # the units that import an optional package, always inside functions ...
    "matplotlib": {"plotting", "cli"},
    "tensorboardX": {"tensorboard"},
    "onnx": {"onnx", "cli", "_bench"},
    "sklearn": {"sklearn", "tabular", "cli", "_bench"},
    "joblib": {"sklearn"},
    "torch": {"interchange", "_bench"},
    "tqdm": {"callbacks"},
    "mpi4py": {"_training"},
    "jinja2": {"cli"},
    "pyarrow": {"cli", "_row_files"},
    "openpyxl": {"cli"},
    **{name: {"cli", "_bench"} for name in ("onnxruntime", "jax")},
}
BASE_CLASSES_FROM = {
    ("sklearn", "sklearn"),
    ("tabular", "sklearn"),
}  # ... but for these, which inherit from its classes
MAX_CODE_LINES = 310
LONGER = {
    "bound_network.py": 330,  # one class, with a method for each function of a backend
    "network.py": 460,  # one class, whose methods convert their arguments and delegate
    "engine.pyx": 815,  # what Python calls is in one module, and modules of Cython have no parts
}
HEAVY = {"scipy", *OWNERS}


def broken_arrow(arrow):
    """Why an import within the package is forbidden, or None."""
    parts = arrow.target.split(".")
    here = arrow.unit
    there = parts[1] if len(parts) > 1 and parts[1] in LAYER_OF else "__init__"
    up, down = LAYER_OF[here], LAYER_OF[there]
    if here == there:
        return None
    if private := [part for part in parts[2:] if part.startswith("_") and not part.endswith("__")]:
        return f"{arrow}: {private[0]} is private to {there}"
    if down > up:
        return f"{arrow}: {here} is below {there}"
    if there == "engine" and here not in ("_runtime", "_bench"):
        return f"{arrow}: only _runtime uses the engine"
    if down == up and here not in MAY_USE_THEIR_LAYER:
        return f"{arrow}: {here} and {there} must not use each other"
    return None


def broken_dependency(arrow):
    """Why an import from outside the package is forbidden, or None."""
    package, unit = arrow.package, arrow.unit
    if arrow.file.suffix != ".py":
        if arrow.target.startswith("scipy.linalg.cython_blas") and arrow.file.name != "blas.pxd":
            return f"{arrow}: only blas.pxd calls BLAS"
        return None
    if package in sys.stdlib_module_names or package == "numpy":
        return None
    owned = unit in OWNERS.get(package, ())
    if unit in NUMPY_ONLY and not owned:
        return f"{arrow}: {unit} uses NumPy only"
    if package in DEPENDENCIES or (unit, package) in BASE_CLASSES_FROM:
        return None
    if not owned:
        return f"{arrow}: {unit} must not use {package}"
    if arrow.at_top:
        return f"{arrow}: {package} is optional; import it inside a function"
    return None


def complaints(source):
    """Every broken rule under the folder `source`, as sentences."""
    arrows = list(imports_of(source))
    unplaced = {arrow.unit for arrow in arrows if arrow.unit not in LAYER_OF}
    found = [f"{unit} has no layer" for unit in sorted(unplaced)]
    for arrow in arrows:
        if arrow.unit not in unplaced:
            rule = broken_arrow if arrow.package == PACKAGE else broken_dependency
            found.append(rule(arrow))
    found += [f"circle: {', '.join(part)}" for part in circles(graph_of(arrows, source))]
    return [complaint for complaint in found if complaint]


def test_every_import_goes_down(root):
    assert complaints(root / "src") == []


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("reference.py", "from ffnn_fast.engine import isa", "only _runtime uses the engine"),
        ("reference.py", "def f():\n    import ffnn_fast.engine.isa", "only _runtime uses"),
        ("_model/spec.py", "importlib.import_module('ffnn_fast.engine.isa')", "only _runtime"),
        ("losses.py", "import scipy.special", "losses uses NumPy only"),
        ("losses.py", "from ffnn_fast._model.spec import f", "losses is below _model"),
        ("history.py", "def f():\n    from ffnn_fast.plotting import f", "history is below"),
        ("history.py", "if TYPE_CHECKING:\n    from ffnn_fast.network import N", "is below"),
        ("_training/loop.py", "from ffnn_fast.network import Network", "_training is below"),
        ("_training/loop.py", "from ffnn_fast import Network", "_training is below __init__"),
        ("_training/loop.py", "from .. import network", "_training is below network"),
        ("_training/loop.py", "from ffnn_fast._solvers.x import y", "must not use each other"),
        ("network.py", "from .cli.main import run", "network is below cli"),
        ("network.py", "from ffnn_fast.losses import _f", "_f is private to losses"),
        ("cli/train.py", "from ffnn_fast.sklearn._base import f", "_base is private to sklearn"),
        ("network.py", "def f():\n    import pandas", "network must not use pandas"),
        ("plotting/a.py", "from ffnn_fast.onnx import f", "plotting is below onnx"),
        ("plotting/a.py", "from ffnn_fast.network import N", "plotting is below network"),
        ("plotting/a.py", "from ffnn_fast._training.x import y", "is below _training"),
        ("interchange/a.py", "from ffnn_fast.onnx import f", "must not use each other"),
        ("plotting/a.py", "from ffnn_fast import Network", "plotting is below __init__"),
        ("plotting/a.py", "import matplotlib.pyplot", "matplotlib is optional"),
        ("plotting/a.py", "try:\n    import matplotlib\nexcept ImportError: pass", "is optional"),
        ("plotting/a.py", "def f():\n    import pandas", "plotting must not use pandas"),
        ("plotting/a.py", "import sklearn", "plotting must not use sklearn"),
        ("cli/train.py", "import pyarrow", "pyarrow is optional"),
        ("losses.py", "def f():\n    import tqdm", "losses uses NumPy only"),
        ("sklearn/core.py", "def f():\n    import pandas", "sklearn must not use pandas"),
        ("engine/isa.py", "from .._model import spec", "engine is below _model"),
        ("engine/b.pxd", "from ffnn_fast._model.spec cimport x", "engine is below _model"),
        ("engine/engine.pyx", "    from ffnn_fast import losses", "engine is below losses"),
        ("engine/b.pxd", "from scipy.linalg.cython_blas cimport dgemm", "only blas.pxd"),
        ("engine/b.pxd", "from scipy.linalg.cython_blas cimport (\n  a)", "only blas.pxd"),
        ("engine/b.pxd", "from scipy.linalg cimport cython_blas as b", "only blas.pxd"),
        ("engine/b.pxd", "cimport scipy.linalg.cython_blas", "only blas.pxd"),
        ("activations.py", "from ffnn_fast.losses import a", "circle: ffnn_fast.activations"),
        ("_model/spec.py", "def f():\n    from ffnn_fast._model import rows", "circle: "),
        ("_model/spec.py", "if TYPE_CHECKING:\n    from ffnn_fast._model.rows import r", "circle"),
        ("engine/blas.pxd", "from ffnn_fast.engine.engine cimport a", "circle: "),
        ("cellar.py", "import os", "cellar has no layer"),
    ],
)
def test_a_planted_arrow_is_found(tmp_path, file, line, complaint):
    package = tmp_path / PACKAGE
    for name, text in {
        "activations.py": "import numpy as np\n",
        "losses.py": "from ffnn_fast.activations import logistic\n",
        "_model/spec.py": "import numpy as np\nfrom ffnn_fast.losses import logistic\n",
        "_model/rows.py": "from ffnn_fast._model.spec import NetworkSpec\n",
        "reference.py": "from ffnn_fast._model.spec import NetworkSpec\n",
        "_training/loop.py": "from ffnn_fast._model.rows import r\n",
        "engine/blas.pxd": "from scipy.linalg.cython_blas cimport dgemm, sgemm\n",
        "engine/engine.pyx": "cimport cython\nfrom ffnn_fast.engine.blas cimport gemm\n",
        "plotting/a.py": "def f():\n    import matplotlib.pyplot\n",
        "interchange/a.py": "from ffnn_fast._model.spec import NetworkSpec\n",
        "sklearn/core.py": "from sklearn.base import BaseEstimator\n",
        "cli/__init__.py": "from ffnn_fast import __version__\ndef f():\n    import jinja2\n",
        "__init__.py": "__version__ = '0'\n",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    assert complaints(tmp_path) == []
    with (package / file).open("a") as planted:
        planted.write(line + "\n")
    assert any(complaint in found for found in complaints(tmp_path)), complaints(tmp_path)


def test_no_two_modules_have_one_name(root):
    """Nor has a folder the name of a module beside it, which would shadow it."""
    files = [*(root / "src" / PACKAGE).rglob("*.py")]
    names = Counter(file.stem for file in files if not file.stem.startswith("__"))
    names.update(file.parent.name for file in files if file.stem == "__init__")
    folders = {path.name for path in (root / "src" / PACKAGE).rglob("*") if path.is_dir()}
    modules = {file.stem for file in files}
    assert [name for name, count in names.items() if count > 1] == []
    assert folders & modules == set()


def test_contributing_maps_every_unit(root):
    shown = (root / "CONTRIBUTING.md").read_text("utf-8")
    units = {path for path in (root / "src" / PACKAGE).iterdir() if path.suffix in ("", ".py")}
    missing = [path.name for path in units if path.stem in LAYER_OF and path.name not in shown]
    assert missing == []


def test_import_stays_light():
    """A fresh interpreter that imports the package has loaded no optional dependency."""
    code = f"import sys, {PACKAGE}; print(*{{name.split('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert PACKAGE in loaded
    assert HEAVY.isdisjoint(loaded)


def code_lines(file: Path):
    """Lines of a file that are neither blank, nor a comment, nor part of a docstring."""
    count, quoted = 0, False
    comment = ("//", "/*", "* ") if file.suffix == ".h" else ("#",)
    for line in file.read_text("utf-8").splitlines():
        text = line.strip()
        quotes = text.count('"""')
        if quoted or text.startswith(('"""', 'r"""')):
            quoted = quoted != (quotes % 2 == 1)
        elif text and not text.startswith(comment):
            count += 1
    return count


def test_files_are_short(root):
    long = {
        str(file.relative_to(root)): lines
        for folder in ("src", "tests", "benches")
        for file in sorted((root / folder).rglob("*"))
        if file.suffix in (".py", ".pyx", ".pxd", ".pyi", ".h")
        and (lines := code_lines(file)) > LONGER.get(file.name, MAX_CODE_LINES)
    }
    assert long == {}


def test_one_module_changes_numpys_handling_of_errors(root):
    """An interrupt within `numpy.errstate` would leave the caller's handling changed."""
    users = {file.name for file in (root / "src").rglob("*.py") if ".errstate(" in file.read_text()}
    assert users == {"_errstate.py"}
