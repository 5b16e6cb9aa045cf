"""What the pages in docs/ show is true: their code runs, and they name all there is to name."""

import importlib
import inspect
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from support.pages import alike, blocks, needs, run_python, run_shell, shell_lines

import ffnn_fast
from ffnn_fast.cli.command_line import COMMANDS

DOCS = ROOT / "docs"
PAGES = sorted(
    page for page in DOCS.rglob("*.md") if not {"_build", "_generated"} & set(page.parts)
)
KINDS = {"python", "text", "sh"}
# Public modules whose names are documented elsewhere: under the name of the package, or not at all.
INTERNAL = {"cli", "engine", "full_batch", "history", "network"}
DIRECTIVE = re.compile(
    r"^\.\. auto(module|class|function|data|exception):: (\S+)\n((?:   :.*\n)*)", re.MULTILINE
)
INSTALL = re.compile(r'python3 -m venv \.venv && \.venv/bin/pip install "\.\[(\w+)\]"')


def name(page):
    return str(page.relative_to(DOCS).with_suffix(""))


@pytest.fixture
def place(tmp_path):
    """A folder for a page's programs, with a little data set of ten classes of images."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "FOLDER"
    folder.mkdir()
    arrays = {}
    for part, n in (("train", 100), ("test", 20)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        arrays[f"y_{part}"] = np.arange(n) % 10
    np.savez(folder / "fashion_mnist.npz", **arrays)
    return tmp_path


def test_there_are_pages():
    assert len(PAGES) > 25


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_code_of_a_page(page, place):
    for package in needs(page):
        pytest.importorskip(package, reason=f"{name(page)} needs {package}")
    if "matplotlib" in page.read_text("utf-8"):
        pytest.importorskip("matplotlib").use("Agg")
    assert {block.kind for block in blocks(page)} <= KINDS
    run_python(page, place)
    run_shell(page, place)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_other_shell_lines_install(page):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for line in shell_lines(page):
        if not line.startswith("ffnn-fast"):
            assert INSTALL.fullmatch(line)[1] in extras["optional-dependencies"]


def documented():
    """Dotted names that the reference documents; of a module taken whole, ``module.*``."""
    names = set()
    for page in (DOCS / "reference").glob("*.rst"):
        for kind, target, options in DIRECTIVE.findall(page.read_text("utf-8")):
            members = re.search(r":members: *(.*)", options)
            if kind != "module":
                names.add(target)
            elif members:
                chosen = [part.strip() for part in members[1].split(",") if part.strip()]
                names |= {f"{target}.{part}" for part in chosen or ["*"]}
    return names


def public_names():
    """Every public class and function, by the module that offers it."""
    yield from (f"ffnn_fast.{part}" for part in ffnn_fast.__all__ if part != "__version__")
    for path in sorted(Path(ffnn_fast.__file__).parent.iterdir()):
        room = path.stem
        if path.suffix not in (".py", "") or room.startswith("_"):
            continue
        if room not in INTERNAL:
            module = importlib.import_module(f"ffnn_fast.{room}")
            offered = getattr(module, "__all__", None) or [
                part
                for part, value in vars(module).items()
                if (inspect.isclass(value) or inspect.isfunction(value))
                and value.__module__ == module.__name__
                and not part.startswith("_")
            ]
            yield from (f"ffnn_fast.{room}.{part}" for part in offered)


def places(full):
    """Where a name may be documented: in its module, where it comes from, in the name plate."""
    module, _, part = full.rpartition(".")
    home = getattr(getattr(importlib.import_module(module), part), "__module__", module)
    above = home.rpartition(".")[0]  # a room that is a folder offers the names of its files
    rooms = {f"{room}.*" for room in (module, home, above)}
    return rooms | {full, f"{home}.{part}", f"ffnn_fast.{part}"}


def test_every_public_name_is_in_the_reference():
    assert [full for full in public_names() if not places(full) & documented()] == []


def test_every_name_of_the_reference_exists():
    for full in documented():
        module, _, part = full.removesuffix(".*").rpartition(".")
        found = importlib.import_module(module)
        assert hasattr(found, part) or importlib.import_module(f"{module}.{part}"), full


def test_every_command_is_in_the_reference():
    shown = (DOCS / "reference" / "cli.rst").read_text("utf-8")
    for command in COMMANDS:
        assert f".. command-help:: {command}\n" in shown


def test_each_how_to_is_two_clicks_from_the_front_page():
    cards = re.compile(r"^:link: (\S+)$", re.MULTILINE)
    assert "howto/index" in cards.findall((DOCS / "index.md").read_text("utf-8"))
    linked = set(cards.findall((DOCS / "howto" / "index.md").read_text("utf-8")))
    assert linked == {page.stem for page in (DOCS / "howto").glob("*.md")} - {"index"}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("loss  0.1234\n[1 2]", "loss 0.1235 [1 2]"),
        ("loss 0.50 of -1e-3", "loss 0.502 of -1.00e-3"),
        ("v4 of ['v2', 'v4']", "... of [...]"),
    ],
)
def test_output_that_is_alike(said, shown):
    assert alike(said, shown)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("loss 0.13", "loss 0.10"),
        ("[1 2]", "[1 3]"),
        ("True", "False"),
        ("0.97 of all", "0.97"),
        ("", "0.97"),
    ],
)
def test_output_that_is_not(said, shown):
    assert not alike(said, shown)


def test_a_page_that_lies_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n")
    with pytest.raises(AssertionError, match="line 6"):
        run_python(page, tmp_path)
