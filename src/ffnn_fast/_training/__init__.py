"""Fits on minibatches."""
