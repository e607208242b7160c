"""The usage and the cost of earlier calls, from the database, where every call left its usage."""
