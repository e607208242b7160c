"""The library as a user sees it: what there is, and what can be done with it."""
