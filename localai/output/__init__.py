"""Everything that a person or a program sees. `output.output.Output` is the only way to the
streams."""
