"""Checks: the expectations of a suite's cases, each with a reason."""
