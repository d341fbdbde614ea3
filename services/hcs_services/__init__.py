"""The five services of a HighConcurrencyStack: gateway, write API, async API, read API and worker."""
