"""An asyncmy connection over verified TLS, of the environment that a benchmark's module is given."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncmy


@asynccontextmanager
async def connection_of(user: str, *, autocommit: bool = True) -> AsyncIterator[Any]:
    """In the schema `hcs`; closed at the end."""
    opened = await asyncmy.connect(
        host=os.environ["DATABASE_HOST"],
        user=user,
        password=os.environ["DATABASE_PASSWORD"],
        database="hcs",
        autocommit=autocommit,
        ssl=ssl.create_default_context(cafile=os.environ["DATABASE_CA"]),
    )
    async with opened as connection:
        yield connection
