"""Floor 0: the compiled engine, one module per ISA level; `isa` picks one. Imports nothing above."""
