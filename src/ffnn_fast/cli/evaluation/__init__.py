"""Evaluation of a network on rows with known targets: scores, tables and reports."""
