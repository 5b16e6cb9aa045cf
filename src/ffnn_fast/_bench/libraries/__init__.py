"""Adapters: one module per library, each in the fastest form that a user of it would write."""
