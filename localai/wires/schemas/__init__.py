"""The rewriting of JSON schemas into the part of JSON Schema that an engine or a cloud supports.

An answer is *held* to a schema if the engine or cloud lets it produce only text that satisfies the
schema. Each rewriting lists the keywords that the answer cannot be held to; these are checked after
the answer.
"""
