"""The classes and functions that a pickle refers to."""

import importlib
import pickle
import pickletools


def globals_of(value):
    """(module, name) of every class and function in the pickle of `value`."""
    # Protocol 3 writes each of them as one GLOBAL opcode.
    opcodes = pickletools.genops(pickle.dumps(value, protocol=3))
    return {tuple(arg.split(" ")) for opcode, arg, _ in opcodes if opcode.name == "GLOBAL"}


def names_of_ours(value):
    """The dotted names in the pickle of `value` that are in this package."""
    pairs = globals_of(value)
    return {f"{module}.{name}" for module, name in pairs if module.split(".")[0] == "ffnn_fast"}


def check_public(names):
    """Each dotted name has no private part and is exported by its module."""
    for name in names:
        assert not [part for part in name.split(".") if part.startswith("_")], name
        module, _, part = name.rpartition(".")
        module = importlib.import_module(module)
        assert part in getattr(module, "__all__", dir(module)), name
