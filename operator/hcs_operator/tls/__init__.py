"""The stack's own certificate authority and MySQL's server certificate."""
