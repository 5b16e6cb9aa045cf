"""Fail unless a wheel holds only what runs, plus c_api.pxd, .pyi, py.typed and the headers of
functions that exported C code contains, and is small.
"""

import sys
import zipfile
from pathlib import Path, PurePosixPath

MAX_BYTES = 2_000_000
ALLOWED = {".py", ".so", ".pyd", ".pxd", ".pyi", ".typed"}
DATA = (
    "ffnn_fast/_dataset_files/",
    "ffnn_fast/cli/evaluation/templates/",
    "ffnn_fast/engine/maths/vecmath",
)
NEEDED = (
    "ffnn_fast/py.typed",
    "ffnn_fast/c_api.pxd",
    "ffnn_fast/engine/maths/vecmath.h",
    "ffnn_fast/cli/evaluation/templates/report.html",
)


def complaints(wheel):
    """What is wrong with the wheel, as sentences."""
    if wheel.stat().st_size >= MAX_BYTES:
        yield f"{wheel.stat().st_size:,} bytes; the limit is {MAX_BYTES:,}"
    names = zipfile.ZipFile(wheel).namelist()
    for name in names:
        metadata = PurePosixPath(name).parts[0].endswith(".dist-info")
        suffix = PurePosixPath(name).suffix
        if not metadata and not name.startswith(DATA) and suffix not in ALLOWED:
            yield f"{name} does not belong in a wheel"
    for needed in NEEDED:
        if needed not in names:
            yield f"{needed} is missing"
    if not any(name.endswith((".so", ".pyd")) for name in names):
        yield "no compiled engine"


wheel = Path(sys.argv[1])
found = list(complaints(wheel))
print(f"{wheel.name}: {wheel.stat().st_size:,} bytes", *found, sep="\n")
sys.exit(bool(found))
