"""A network bound to an engine, and how it runs."""
