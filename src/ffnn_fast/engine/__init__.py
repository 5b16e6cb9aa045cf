"""Floor 0: the compiled engine, one module per ISA level; `isa` picks. Imports nothing above."""
