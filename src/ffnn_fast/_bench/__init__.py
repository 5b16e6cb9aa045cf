"""Benchmarks beside other libraries: each runs in a process of its own, and they are interleaved.

``ffnn-fast bench`` runs them; so do the repository's `benches/`, with more libraries and questions.
"""
