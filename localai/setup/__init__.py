"""From nothing to a verified answer; from there to nothing; bundles for machines without a network.

A set-up remembers nothing between runs. Each step looks whether it is done already, so that a
set-up that was interrupted goes on where it stopped.
"""
