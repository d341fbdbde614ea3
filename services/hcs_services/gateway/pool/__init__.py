"""Keep-alive connections to one endpoint: asyncio protocols that speak HTTP/1.1 by httptools' parser.

`serialising` and `parsing` do no IO: what is written, and what may be taken for an answer. `connection` carries one
request at a time, `connections` keeps those that are in step for the next.
"""
