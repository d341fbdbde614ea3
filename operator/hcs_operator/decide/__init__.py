"""What should happen, as pure functions of what was seen: no clock, no randomness, no input or output."""
