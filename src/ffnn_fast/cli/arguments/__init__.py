"""Options as typed objects: declared once, filled by the command line, TOML and JSON alike."""
