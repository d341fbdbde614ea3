"""The Kubernetes API behind one port: `port.py` says what is used, `aio.py` does it, `fake.py` plays it for tests."""
