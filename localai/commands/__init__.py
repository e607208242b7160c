"""The commands, a file each: parse, call a service, hand the result to output."""
