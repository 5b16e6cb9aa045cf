"""Races beside other libraries: contestants in processes of their own that take turns.

``ffnn-fast bench`` runs them; so do the repository's benches, with more contestants and questions.
"""
