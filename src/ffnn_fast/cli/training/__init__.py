"""From tables and options to a trained network: what ``ffnn-fast train`` is made of."""
