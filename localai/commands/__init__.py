"""The commands, a file each. A command parses its arguments, calls a service, and hands the result
to output."""
