"""A suite: cases to ask, what is expected of their answers, and what has to hold in the end."""
