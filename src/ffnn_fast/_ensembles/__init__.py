"""Many networks: fitted side by side, and predicting together."""
