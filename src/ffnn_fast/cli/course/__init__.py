"""``ffnn-fast course``: the assignment of the lecture, with its options."""
