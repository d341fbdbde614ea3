"""What is tried on one small stack, which becomes another one for each module."""
