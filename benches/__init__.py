"""ffnn_fast beside other libraries: ``python -m benches``; README.md says how to run and read."""
