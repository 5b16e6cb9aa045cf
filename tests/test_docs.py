"""The pages in docs/: their code runs and prints what they show; the reference is complete."""

import importlib
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
LONG = {  # pages whose code takes seconds
    "howto/clusters", "howto/differential-equations", "howto/from-scikit-learn",
    "howto/own-functions", "howto/partitions", "howto/reinforcement-learning", "howto/surrogate",
    "howto/tables", "howto/tabular",
}  # fmt: skip
PAGES = sorted(
    page for page in DOCS.rglob("*.md") if not {"_build", "_generated"} & set(page.parts)
)
KINDS = {"python", "text", "sh"}
# History and Network are documented as names of the package, cli by its help, engine not at all.
NOT_BY_MODULE = {"cli", "engine", "history", "network"}
DIRECTIVE = re.compile(
    r"^\.\. auto(module|class|function|data|exception):: (\S+)\n((?:   :.*\n)*)", re.MULTILINE
)
INCLUDED = re.compile(r"```\{literalinclude\} (\S+)\n((?::.*\n)*)")
LIMIT = re.compile(r"^:(start-at|end-before): (.*)$", re.MULTILINE)
INSTALL = re.compile(r'python3 -m venv \.venv && \.venv/bin/pip install "\.\[(\w+)\]"')


def name(page):
    return str(page.relative_to(DOCS).with_suffix(""))


@pytest.fixture
def place(tmp_path):
    """A folder for the programs of a page, with a small data set of images of ten classes."""
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


RUN = [pytest.param(page, marks=pytest.mark.slow) if name(page) in LONG else page for page in PAGES]


@pytest.mark.parametrize("page", RUN, ids=name)
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


def test_pages_include_code_that_is_there():
    count = 0
    for page in PAGES:
        for path, options in INCLUDED.findall(page.read_text("utf-8")):
            code, limits = (page.parent / path).read_text("utf-8"), dict(LIMIT.findall(options))
            limits = {option: text.strip("'\"") for option, text in limits.items()}
            start = code.find(limits.get("start-at", ""))
            end = code.find(limits["end-before"], start) if "end-before" in limits else len(code)
            assert 0 <= start < end, (name(page), path, limits)
            count += 1
    assert count == sum(page.read_text("utf-8").count("{literalinclude}") for page in PAGES) > 5


def documented():
    """Dotted names that the reference documents; for all members of a module, ``module.*``."""
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
    """Dotted names of all public classes, functions and constants: package first, then modules."""
    yield from (f"ffnn_fast.{part}" for part in ffnn_fast.__all__ if part != "__version__")
    for path in sorted(Path(ffnn_fast.__file__).parent.iterdir()):
        if path.suffix in (".py", "") and path.stem[0] != "_" and path.stem not in NOT_BY_MODULE:
            module = importlib.import_module(f"ffnn_fast.{path.stem}")
            yield from (f"{module.__name__}.{part}" for part in module.__all__)


def names_in_reference(full):
    """The entries of `documented` that cover a public name: itself, or all of a public module."""
    module, _, part = full.rpartition(".")
    value = getattr(importlib.import_module(module), part)
    defined_in = getattr(value, "__module__", module)
    unit = ".".join(defined_in.split(".")[:2])  # the module or package in ffnn_fast
    return {full, f"ffnn_fast.{part}", f"{module}.*", f"{unit}.*"}


def test_every_public_name_is_in_the_reference():
    assert [full for full in public_names() if not names_in_reference(full) & documented()] == []


def test_the_reference_names_no_private_module():
    assert [full for full in documented() if "._" in full] == []


def test_every_name_of_the_reference_exists():
    for full in documented():
        module, _, part = full.removesuffix(".*").rpartition(".")
        found = importlib.import_module(module)
        assert hasattr(found, part) or importlib.import_module(f"{module}.{part}"), full


def test_new_paths_in_the_changelog_exist():
    table = (ROOT / "CHANGELOG.md").read_text("utf-8").partition("| old path |")[2]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| `")]
    names = re.findall(r"`((?:ffnn_fast|Network)\.[\w.]+)`", "\n".join(rows))
    assert len(names) > 25
    for name in names:
        found = importlib.import_module("ffnn_fast")
        for part in name.removeprefix("ffnn_fast.").split("."):
            inner = f"{getattr(found, '__name__', '')}.{part}"
            found = getattr(found, part, None) or importlib.import_module(inner)


def test_every_command_is_in_the_reference():
    shown = (DOCS / "reference" / "cli.rst").read_text("utf-8")
    for command in COMMANDS:
        assert f".. command-help:: {command}\n" in shown


def test_each_how_to_is_two_clicks_from_the_front_page():
    cards = re.compile(r"^:link: (\S+)$", re.MULTILINE)
    assert "howto/index" in cards.findall((DOCS / "index.md").read_text("utf-8"))
    linked = set(cards.findall((DOCS / "howto" / "index.md").read_text("utf-8")))
    assert linked == {page.stem for page in (DOCS / "howto").glob("*.md")} - {"index"}


SEARCHED = [
    *("regularization", "ensemble", "freeze", "fine-tune", "one-hot", "log-likelihood"),
    *("deterministic", "activation of your own", "loss of your own", "optimizer of your own"),
    *("scale the target", "initial weights"),
]


@pytest.mark.parametrize("term", SEARCHED)
def test_a_section_answers_what_is_searched(term):
    """The search of the built pages ranks words in headings first."""
    answers = []
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
        parts = re.split(r"^(#+ .*)$", text, flags=re.MULTILINE)
        sections = zip(parts[1::2], parts[2::2], strict=True)
        answers += [text for title, text in sections if term in title.lower()]
    assert answers
    assert max(len(text.split()) for text in answers) > 30


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("loss  0.1234\n[1 2]", "loss 0.1235 [1 2]"),
        ("loss 0.50 of -1e-3", "loss 0.502 of -1.00e-3"),
        ("v4 of ['v2', 'v4']", "... of [...]"),
    ],
)
def test_output_that_is_alike(printed, shown):
    assert alike(printed, shown)


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("loss 0.13", "loss 0.10"),
        ("[1 2]", "[1 3]"),
        ("True", "False"),
        ("0.97 of all", "0.97"),
        ("", "0.97"),
    ],
)
def test_output_that_is_not(printed, shown):
    assert not alike(printed, shown)


def test_wrong_output_on_a_page_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n")
    with pytest.raises(AssertionError, match="line 6"):
        run_python(page, tmp_path)
