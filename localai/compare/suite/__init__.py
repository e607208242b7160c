"""A suite: cases to ask, the expectations of their answers, and the gate that the results must
pass."""
