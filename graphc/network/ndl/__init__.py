"""Networks in the network description language: from statements and macros to the same `Network` as BrainScript's."""
