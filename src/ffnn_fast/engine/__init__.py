"""The compiled engine, one module per ISA level; `isa` chooses one. It imports nothing above."""
