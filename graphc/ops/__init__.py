"""The operators, one class each."""
