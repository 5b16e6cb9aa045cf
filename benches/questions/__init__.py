"""One file per question: ``run(runner)`` returns records; ``tables(records)``, ``plots(records)``
and ``compare_with_targets(records)`` return what the report shows of them.

A record is a dictionary that JSON can hold. A table is (title, header, rows).
"""
