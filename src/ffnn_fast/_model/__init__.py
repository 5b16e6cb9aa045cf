"""The description of a network, its files, and arrays checked against it."""
