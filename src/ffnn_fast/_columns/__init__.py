"""Columns of tables: their types, and how a model uses each."""
