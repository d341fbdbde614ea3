"""The command `python -m hcs_services <tier>`: exit code 2 and one line for a bad command or setting."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from pydantic import ValidationError

from hcs_services import server
from hcs_services.observability import configure_logging
from hcs_services.settings import MissingCredentialError, Settings

TIERS = {
    "gateway": "hcs_services.gateway",
    "write-api": "hcs_services.write_api",
    "async-api": "hcs_services.async_api",
    "read-api": "hcs_services.read_api",
    "worker": "hcs_services.worker",
}


def main(arguments: Sequence[str]) -> int:
    """Run one tier, or the migrations; returns the exit code."""
    if len(arguments) != 1 or arguments[0] not in {*TIERS, "migrate"}:
        return server.fail(f"usage: python -m hcs_services <{'|'.join([*TIERS, 'migrate'])}>")
    name = arguments[0]
    try:
        settings = Settings(tier=name)
    except ValidationError as error:
        first = error.errors()[0]
        return server.fail(f"setting {'.'.join(map(str, first['loc']))}: {first['msg']}")
    configure_logging(settings.log_level, stack=settings.stack, tier=name)
    try:
        if name == "migrate":
            migrate = importlib.import_module("hcs_services.migrate")
            return int(migrate.run(settings))
        return server.run(importlib.import_module(TIERS[name]).build(settings), settings)
    except (MissingCredentialError, ValueError) as error:
        return server.fail(str(error))
