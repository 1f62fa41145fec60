"""Configuration records to typed experiments."""
