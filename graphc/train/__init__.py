"""Training and evaluation steps, learners, parameter values and checkpoints."""
