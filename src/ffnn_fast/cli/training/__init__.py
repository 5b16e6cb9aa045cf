"""From tables and options to a trained network: the steps of ``ffnn-fast train``."""
