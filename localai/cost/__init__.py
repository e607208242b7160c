"""What the calls so far used and cost, from the usage that every call left in the store."""
