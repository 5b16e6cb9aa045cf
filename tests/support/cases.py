"""Many small cases of a test as one test."""

import functools
import inspect
from itertools import product

import numpy as np
import pytest

TOLERANCES = {"float32": 1e-5, "float64": 1e-12}


def each(**grids):
    """Run a test for every combination of these values, as one test: a failure notes which.

    For large grids of short cases, of which pytest's own parametrization takes most of the time.
    Each case has an `rng` of its own, and the `rtol` of its `dtype`. A case may skip; the test is
    skipped if all cases are.
    """

    def decorate(test):
        taken = inspect.signature(test).parameters
        fixtures = [taken[name] for name in taken if name not in {*grids, "rng", "rtol"}]

        @functools.wraps(test)
        def every_case(**given):
            cases, skipped = list(product(*grids.values())), []
            assert cases
            for values in cases:
                case = dict(zip(grids, values, strict=True))
                own = {}
                if "rng" in taken:
                    own["rng"] = np.random.default_rng(20)
                if "rtol" in taken:
                    own["rtol"] = TOLERANCES[case["dtype"]]
                try:
                    test(**given, **case, **own)
                except pytest.skip.Exception as reason:
                    skipped.append(reason)
                except Exception as error:
                    error.add_note(f"in the case {case}")
                    raise
            if len(skipped) == len(cases):
                raise skipped[0]

        every_case.__signature__ = inspect.Signature(fixtures)
        return every_case

    return decorate
