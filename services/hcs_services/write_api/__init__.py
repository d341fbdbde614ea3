"""The write API: products and orders in transactions, orders in groups; the outbox relay and the retention sweeps."""

from hcs_services.write_api.tier import build

__all__ = ["build"]
