"""The write API: products and orders, one transaction each; the outbox relay and the retention sweeps."""

from hcs_services.write_api.tier import build

__all__ = ["build"]
