"""The line coverage of compiled modules, from the gcov data of a build with FFNN_FAST_COVERAGE=1.

Usage: engine_coverage.py CHECKOUT. A line ran when any level, dtype or inlined copy of it ran; a
line counts when the compiler made code of it. Lines past the end of a file, to which Cython's own
code is attributed, and signatures, to which its handling of errors is, are left out.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

LEAST = 95.0  # per cent
PACKAGE = "ffnn_fast/"
SIGNATURE = re.compile(r"\s*(c?def |class |\"\"\")")


def runs(checkout):
    """{compiled file, under src: {line: times it ran}}."""
    found = defaultdict(lambda: defaultdict(int))
    for data in checkout.glob("build/temp*/**/*.gcda"):
        command = ["gcov", "--json-format", "--stdout", str(data)]
        report = subprocess.run(command, cwd=checkout, capture_output=True, check=True).stdout
        for part in report.decode("utf-8").splitlines():
            for file in json.loads(part)["files"]:
                # Headers have absolute paths; .pyx and .pxd files have those relative to src.
                _, within, name = file["file"].rpartition(PACKAGE)
                if within and name.endswith((".pyx", ".pxd", ".pxi", ".h")):
                    for line in file["lines"]:
                        found[PACKAGE + name][line["line_number"]] += line["count"]
    return found


def main(checkout):
    """Print the table; the exit code tells whether enough lines ran."""
    total = ran = 0
    for path, counts in sorted(runs(checkout).items()):
        source = (checkout / "src" / path).read_text("utf-8").splitlines()
        lines = {
            line: count
            for line, count in counts.items()
            if line <= len(source) and not SIGNATURE.match(source[line - 1])
        }
        missed = sorted(line for line, count in lines.items() if count == 0)
        total, ran = total + len(lines), ran + len(lines) - len(missed)
        share = 100 * (len(lines) - len(missed)) / len(lines)
        print(f"{path}: {share:.1f} %, not run: {missed or 'none'}")
    share = 100 * ran / total if total else 0.0
    print(f"engine: {ran} of {total} lines ran, {share:.1f} %")
    return share < LEAST


sys.exit(main(Path(sys.argv[1])))
