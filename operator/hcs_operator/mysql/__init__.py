"""MySQL as a port: what the operator asks of an instance, and the adapter that asks it in SQL."""
