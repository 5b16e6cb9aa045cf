"""Adapters of the benches alone, beside those of `ffnn_fast._bench.libraries`."""
