"""Networks for tables beside boosters and linear models: errors on many tables."""
