"""Reads the imports of the package from its source: Python and Cython, deferred ones included."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "ffnn_fast"
CYTHON_IMPORT = re.compile(
    r"^(?P<indent>\s*)(?:from\s+(?P<source>[\w.]+)\s+c?import\s+(?P<names>\([^)]*\)|[^#\n]+)"
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

    @property
    def unit(self):
        """The module or folder directly below the package that the file belongs to."""
        return Path(self.file.parts[1]).stem

    @property
    def package(self):
        """The distribution that the target belongs to, such as numpy."""
        return self.target.split(".")[0]


class _Reader(ast.NodeVisitor):
    """Collects (line, dotted name, at top level?) of every import in a module."""

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

    def _visit_deferred(self, node):
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _visit_deferred

    def visit_Call(self, node):
        named = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        if ast.unparse(node.func).endswith("import_module") and named:
            self.add(node, named[0])
        self.generic_visit(node)

    def visit_If(self, node):
        if "TYPE_CHECKING" in ast.unparse(node.test):  # never runs: no arrow at import
            self._visit_deferred(node)
        else:
            self.generic_visit(node)


def python_imports(text, package):
    """(line, dotted target, at top level?) of each import of a Python file."""
    reader = _Reader(package)
    reader.visit(ast.parse(text))
    return reader.found


def cython_imports(text, package):
    """The same of a Cython file; a relative name is resolved from `package`."""
    found = []
    for match in CYTHON_IMPORT.finditer(text):
        line = text.count("\n", 0, match.start("indent")) + 1
        source = match["source"]
        if source and source.startswith("."):
            level = len(source) - len(source.lstrip("."))
            base = package[: len(package) - level + 1]
            source = ".".join([*base, *filter(None, [source.lstrip(".")])])
        names = re.sub(r"#.*", "", match["names"] or match["plain"]).strip("() \n").split(",")
        for name in (name.split(" as ")[0].strip() for name in names):
            if name or not source:
                target = ".".join(filter(None, [source, name]))
                found.append((line, target, not match["indent"].strip("\n")))
    return found


def imports_of(source):
    """Every import under the folder `source`, which holds the package."""
    for file in sorted((source / PACKAGE).rglob("*")):
        if file.suffix in (".py", ".pyx", ".pxd", ".pxi"):
            read = python_imports if file.suffix == ".py" else cython_imports
            package = list(file.relative_to(source).parent.parts)
            for line, target, at_top in read(file.read_text("utf-8"), package):
                yield Import(file.relative_to(source), line, target, at_top)


def module_of(file):
    """The dotted name of a file: a package for its ``__init__``; a .pxd shares its .pyx's."""
    parts = list(file.with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def graph_of(imports, source):
    """module -> modules of the package that it imports, in functions and for types too."""
    modules = {
        module_of(file.relative_to(source))
        for file in (source / PACKAGE).rglob("*")
        if file.suffix in (".py", ".pyx", ".pxd", ".pxi")
    }
    graph = {module: set() for module in modules}
    for arrow in imports:
        target = arrow.target
        while target and target not in modules:
            target = target.rpartition(".")[0]
        here = module_of(arrow.file)
        if target and target != here:
            graph[here].add(target)
    return graph


def circles(graph):
    """The strongly connected parts of more than one module, each sorted (Tarjan 1972)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            part = [stack.pop()]
            while part[-1] != node:
                part.append(stack.pop())
            if len(part) > 1:
                found.append(sorted(part))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found
