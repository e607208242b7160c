"""What may leave this machine: zones, the guard on Python, the kernel's denial, the ledger's
entries.

Nothing is imported here, so that the guard can be installed before anything else.
"""
