"""The lazy evaluator of BrainScript and its standard library."""
