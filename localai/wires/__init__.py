"""What servers are asked and what they answer: wire formats as pure translation, no I/O."""
