"""What a model takes and gives on a machine: memory and speed."""
