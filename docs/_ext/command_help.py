"""Directive ``command-help``: the text that ``ffnn-fast COMMAND --help`` prints."""

import argparse
import os

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from ffnn_fast.cli.command_line import build_parser

WIDTH = "90"


class CommandHelp(SphinxDirective):
    """The help of the command in the argument; without one, of ``ffnn-fast`` itself."""

    optional_arguments = 1

    def run(self):
        parser = build_parser()
        if self.arguments:
            found = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
            parser = found[0].choices[self.arguments[0]]
        before, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), WIDTH
        try:
            text = parser.format_help()
        finally:
            if before is None:
                del os.environ["COLUMNS"]
            else:
                os.environ["COLUMNS"] = before
        shown = nodes.literal_block(text, text, language="text")
        return [shown]


def setup(app):
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
