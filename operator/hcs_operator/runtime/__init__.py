"""The shell around the functional core: watches, queue, leader election, probes, logs and metrics."""
