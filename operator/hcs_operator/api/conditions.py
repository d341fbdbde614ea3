"""The conditions of a stack, in the order in which they are told."""

READY, RECONCILING, STALLED = "Ready", "Reconciling", "Stalled"
WRITES, READS, ASYNC = "WritesAvailable", "ReadsAvailable", "AsyncAvailable"
DURABILITY, REPLICATION = "DurabilitySatisfied", "ReplicationHealthy"
CACHE, QUEUE = "CacheHealthy", "QueueHealthy"
AUTOSCALING, PAUSED = "AutoscalingActive", "Paused"

ALL = (READY, RECONCILING, STALLED, WRITES, READS, ASYNC, DURABILITY, REPLICATION, CACHE, QUEUE, AUTOSCALING, PAUSED)
