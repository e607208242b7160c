"""What this machine is: every fact with its value, its source and how sure it is."""
