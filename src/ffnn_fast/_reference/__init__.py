"""Parts of `ffnn_fast.reference`, which exports them: the lecture's passes and derivatives."""
