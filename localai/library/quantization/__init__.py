"""A smaller model from a large one: a plan, three ways to make it, and the proof that it
answers."""
