"""Find the code blocks of Markdown pages, run them in order and compare their output.

A page is one program: its ``python`` blocks share one namespace. A ``text`` block after a
``python`` block shows its output; numbers may differ slightly, and ``...`` matches anything.
"""

import contextlib
import io
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ffnn_fast.cli import main

FENCE = re.compile(r"^```([\w+-]+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEEDS = re.compile(r"\A---\n(?:.*\n)*?needs: *(.+)\n")
NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?", re.IGNORECASE)
TOLERANCE = (
    0.02  # relative; training in float32 gives slightly different results on other processors
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line where the text begins."""

    page: Path
    line: int
    kind: str
    text: str

    def __str__(self):
        return f"{self.page.name}, line {self.line}"


def blocks(page):
    """The fenced blocks of a page, without directives."""
    text = page.read_text("utf-8")
    return [
        Block(page, text.count("\n", 0, found.start(2)) + 1, found[1], found[2])
        for found in FENCE.finditer(text)
    ]


def needs(page):
    """The optional packages that the page's front matter names."""
    found = NEEDS.match(page.read_text("utf-8"))
    return re.split(r"[\s,]+", found[1].strip("[] ")) if found else []


def run_python(page, folder):
    """Run the Python blocks of a page in a folder; AssertionError if the output differs."""
    names, printed = {"__name__": "__main__"}, None
    with contextlib.chdir(folder), np.printoptions():
        for block in blocks(page):
            if block.kind == "python":
                printed = io.StringIO()
                code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
                with contextlib.redirect_stdout(printed):
                    exec(code, names)
            elif block.kind == "text" and printed is not None:
                output = printed.getvalue()
                assert alike(output, block.text), f"{block}: the code prints\n{output}"
                printed = None


def run_shell(page, folder):
    """Run the ``ffnn-fast`` lines of a page in a folder, all in this process; the other lines
    install or build.
    """
    for line in shell_lines(page):
        if line.startswith("ffnn-fast"):
            written = io.TextIOWrapper(io.BytesIO(), "utf-8")
            with (
                contextlib.chdir(folder),
                contextlib.redirect_stdout(written),
                contextlib.redirect_stderr(written),
            ):
                code = main(shlex.split(line)[1:])
            written.seek(0)
            assert code == 0, f"{line}\n{written.read()}"


def shell_lines(page):
    """The lines of the shell blocks of a page, without comments."""
    text = "".join(block.text for block in blocks(page) if block.kind == "sh")
    lines = text.replace("\\\n", " ").splitlines()
    return [bare for line in lines if (bare := re.split(r" +#", line)[0].strip())]


def alike(printed, shown):
    """Whether the texts are equal up to spaces, small differences of numbers, and ``...``."""
    printed, shown = " ".join(printed.split()), " ".join(shown.split())
    parts = [re.escape(NUMBER.sub("\0", part)) for part in shown.split("...")]
    pattern = ".*?".join(part.replace("\0", f"({NUMBER.pattern})") for part in parts)
    found = re.fullmatch(pattern, printed, re.DOTALL)
    if not found:
        return False
    expected = [number for part in shown.split("...") for number in NUMBER.findall(part)]
    return all(map(near, expected, found.groups()))


def near(shown, printed):
    """Whether two numbers agree within two units of the last digit shown, or TOLERANCE."""
    if re.fullmatch(r"[-+]?\d+", shown):
        return int(shown) == float(printed)
    digits = re.match(r"[-+]?\d+\.?(\d*)", shown)[1]
    exponent = re.search(r"e([-+]?\d+)$", shown, re.IGNORECASE)
    unit = 10.0 ** ((int(exponent[1]) if exponent else 0) - len(digits))
    value = float(shown)
    return abs(float(printed) - value) <= max(2 * unit, TOLERANCE * abs(value))
