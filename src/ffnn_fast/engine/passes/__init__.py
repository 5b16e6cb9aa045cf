"""The passes through a network: forward, backward, losses, and the steps of the optimizers."""
