"""Faults of the sample stack, one after the other, under one load and against one ledger."""
