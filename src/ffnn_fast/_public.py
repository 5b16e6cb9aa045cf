"""Stable import paths for classes that are defined in private modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Named = TypeVar("Named", bound=type)


def public(module: str = "ffnn_fast") -> Callable[[Named], Named]:
    """Decorator: set a class's ``__module__`` to the public module that exports it.

    Pickles, skops' lists of trusted types, warning filters and messages then hold
    ``ffnn_fast.NetworkSpec``, which stays valid when the defining file moves. Above ``@dataclass``,
    which resolves annotations in the defining module.

    Parameters
    ----------
    module : str, default "ffnn_fast"
        A module without a private part in its path, which exports the class under its own name.
    """

    def decorate(cls: Named) -> Named:
        cls.__module__ = module
        return cls

    return decorate
