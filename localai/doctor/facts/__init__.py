"""What doctor knows of a machine: frozen values, taken once, of which checks are functions.

A field that is None is unknown, never "no": an empty tuple or text is the "no" that was seen.
Nothing here looks at anything (`doctor.capture`) or judges (`doctor.checks`). No secret is ever
part of it: of a key in the environment there is the name, of a history the fact that it has one.
"""
