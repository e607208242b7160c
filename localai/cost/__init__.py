"""The cost of calls, one by one and in sums, from the usage that the database keeps of each."""
