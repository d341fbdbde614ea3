"""The task queue: topology, confirmed publishing and consuming over RabbitMQ."""

from hcs_services.queue.consumer import Consumer, ConsumerStuck, Delivery
from hcs_services.queue.message import MalformedMessage, TaskMessage, decode, tries_made
from hcs_services.queue.publisher import NotAccepted, Publisher
from hcs_services.queue.session import Broker, Session, SessionLost, connect
from hcs_services.queue.topology import declare, queue_for, retry_exchange

__all__ = [
    "Broker",
    "Consumer",
    "ConsumerStuck",
    "Delivery",
    "MalformedMessage",
    "NotAccepted",
    "Publisher",
    "Session",
    "SessionLost",
    "TaskMessage",
    "connect",
    "declare",
    "decode",
    "queue_for",
    "retry_exchange",
    "tries_made",
]
