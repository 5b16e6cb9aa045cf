"""Full-batch minimisers."""
