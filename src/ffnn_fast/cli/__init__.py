"""The command ``ffnn-fast``."""

from ffnn_fast.cli.command_line import main

__all__ = ["main"]
