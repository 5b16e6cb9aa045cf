"""Benchmarks beside other libraries: ``python -m benches``; see README.md."""
