"""The read API: L1, Redis, replicas, primary, in that order, each only where it is new enough for the request."""

from hcs_services.read_api.tier import build

__all__ = ["build"]
