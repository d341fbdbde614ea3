"""The plain way to read a product from the cache: FastAPI and redis-py, one connection pool."""

from __future__ import annotations

import os

from fastapi import FastAPI, HTTPException, Response
from redis.asyncio import Redis

app = FastAPI()
_redis = Redis.from_url(os.environ["CACHE_URL"], password=os.environ["CACHE_PASSWORD"])


@app.get("/api/v1/products/{product_id}")
async def get_product(product_id: str) -> Response:
    """The document as it is stored."""
    found = await _redis.get(f"plain:{product_id}")
    if found is None:
        raise HTTPException(404)
    return Response(found, media_type="application/json")
