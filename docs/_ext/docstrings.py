"""Escape the bars of |a| in docstrings: in reStructuredText a bar starts a substitution."""

import re

LITERAL = re.compile(r"(``.*?``|`.*?`)")


def escape_bars(app, what, name, obj, options, lines):
    for i, line in enumerate(lines):
        parts = LITERAL.split(line)
        parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
        lines[i] = "".join(parts)


def setup(app):
    app.connect("autodoc-process-docstring", escape_bars, priority=400)  # before numpydoc
    return {"parallel_read_safe": True, "parallel_write_safe": True}
