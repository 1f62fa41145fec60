"""What the commands of a configuration do."""
