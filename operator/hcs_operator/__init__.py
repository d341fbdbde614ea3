"""The HighConcurrencyStack operator: watches one kind of custom resource and keeps what it stands for running."""
