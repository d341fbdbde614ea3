"""MySQL: who the primary is, which readers may serve, and what an error means for a transaction."""
