"""Matrix products on compiler vector types, for one sample and for batches in panels."""
