"""What is wrong on this machine, why, and the line that mends it."""
