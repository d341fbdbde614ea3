"""Asks the other members whether they form a majority: only then does a START lead anywhere."""

import socket
from contextlib import suppress

from hcs_operator.agent.accounts import REPLICATION
from hcs_operator.agent.settings import Settings
from hcs_operator.api.database import Access, Instance, Role
from hcs_operator.mysql.errors import DatabaseError
from hcs_operator.mysql.session import Row, over_tls

_MEMBERS = """
SELECT MEMBER_ID = @@server_uuid AS own, MEMBER_HOST AS host, MEMBER_PORT AS port, MEMBER_STATE = 'ONLINE' AS online
  FROM performance_schema.replication_group_members
"""


def seeds(settings: Settings) -> tuple[str, ...]:
    """Return host:port of the members to join by: those that are ONLINE in the view of a peer that is in a majority."""
    headless = settings.pod_fqdn.partition(".")[2]
    password = (settings.credentials / "repl-password").read_text().strip()
    access = Access(REPLICATION, password, (settings.certificates / "ca.crt").read_text())
    for address in _addresses(headless):
        if address == settings.pod_ip:
            continue
        members = _members(Instance(address, Role.MEMBER, headless, address, access))
        online = [member for member in members if member["online"]]
        if any(member["own"] for member in online) and 2 * len(online) > len(members):
            return tuple(sorted(f"{member['host']}:{member['port']}" for member in online))
    return ()


def _addresses(name: str) -> list[str]:
    with suppress(OSError):
        return sorted({str(it[4][0]) for it in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    return []


def _members(peer: Instance) -> list[Row]:
    with suppress(DatabaseError), over_tls(peer) as session:
        return session.query(_MEMBERS)
    return []
