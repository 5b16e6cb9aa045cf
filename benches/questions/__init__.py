"""One file per question: ``run(arena)`` gives records, ``tables(records)`` and ``plots(records)``
what is written of them.

A record is a dictionary that JSON can hold. A table is (title, header, rows).
"""

NAMES = ["step", "latency", "scaling", "roofline", "fit", "solvers", "estimators", "footprint"]
