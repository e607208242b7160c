"""The rules of what may leave this machine: zones, the guard on Python, the kernel's denial, the
ledger's entries.

This file imports nothing, so that the guard can be installed before anything else is imported.
"""
