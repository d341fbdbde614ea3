"""The handlers of all task types; importing this package registers them."""

from hcs_services.worker.handlers import email, payment, refund, report, sync

__all__ = ["email", "payment", "refund", "report", "sync"]
