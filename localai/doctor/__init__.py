"""The diagnosis of this machine: what is wrong, why, and the line that mends it."""
