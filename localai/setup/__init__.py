"""Set-up from nothing to a verified answer, its reverse, and bundles for machines without a
network.

A set-up remembers nothing between runs. Each step checks whether it is done already, so that an
interrupted set-up continues where it stopped.
"""
