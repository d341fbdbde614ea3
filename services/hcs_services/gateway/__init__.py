"""The gateway: one door for every call, which routes, limits, protects and streams, and holds no state of its own."""

from hcs_services.gateway.tier import build

__all__ = ["build"]
