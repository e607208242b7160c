"""Which model suits a machine and a task: a catalogue of sourced facts, and its ranking."""
