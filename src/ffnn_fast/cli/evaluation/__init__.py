"""How good a network is on rows whose target is known: scores, tables and reports."""
