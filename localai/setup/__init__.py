"""From nothing to a verified answer: what is there, what is missing, and what is done about it.

Nothing is remembered between runs. Each step asks whether its own fact holds already, so that a
set-up that was interrupted anywhere goes on when it is run again.
"""
