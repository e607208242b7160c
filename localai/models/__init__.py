"""What a model name means, where models are on this machine, and what they need."""
