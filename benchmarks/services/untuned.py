"""A tier without a part of its start-up tuning: `python -m benchmarks.services.untuned <collector|loop> <tier>`.

The product has no switch for it, so the part is patched out here; all else is as in `python -m hcs_services <tier>`.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager
from unittest.mock import patch

import uvloop

from hcs_services import command, server

PARTS: dict[str, AbstractContextManager[object]] = {
    "collector": patch.object(server, "tune_collector", lambda: None),
    "loop": patch.object(uvloop, "new_event_loop", asyncio.new_event_loop),
}

if __name__ == "__main__":
    with PARTS[sys.argv[1]]:
        sys.exit(command.main(sys.argv[2:]))
