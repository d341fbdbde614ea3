"""How a process talks to a Redis: one connection that all its commands share (docs/adr/0013)."""
