"""How many workers and readers a stack should have: pure laws `decide(samples, state, spec) -> Recommendation`."""
