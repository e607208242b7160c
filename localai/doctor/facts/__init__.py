"""The facts that checks are functions of: frozen values, taken once.

A field that is None is unknown, never "no"; an empty tuple or text is a "no" that was seen. Nothing
here looks at the machine (`doctor.capture`) or judges (`doctor.checks`). Facts have no secrets: of
a key in the environment they have the name, of a shell's history the names of the keys in it.
"""
