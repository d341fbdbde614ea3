"""Asks the other members whether they form a majority: only then does a START lead anywhere."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from hcs_operator.agent.accounts import REPLICATION
from hcs_operator.agent.decide import Others
from hcs_operator.agent.settings import Settings
from hcs_operator.api.database import Access, Instance, Role
from hcs_operator.mysql import facts
from hcs_operator.mysql.errors import DatabaseError
from hcs_operator.mysql.session import over_tls

_MEMBERS = """
SELECT MEMBER_ID = @@server_uuid AS own, MEMBER_HOST AS host, MEMBER_PORT AS port, MEMBER_STATE = 'ONLINE' AS online,
       MEMBER_STATE = 'UNREACHABLE' AS lost
  FROM performance_schema.replication_group_members
"""


def others(settings: Settings) -> Others:
    """Ask all peers at once; one that is ONLINE in its own view of a majority speaks for the group."""
    headless = settings.pod_fqdn.partition(".")[2]
    password = (settings.credentials / "repl-password").read_text().strip()
    access = Access(REPLICATION, password, (settings.certificates / "ca.crt").read_text())
    peers = [
        Instance(address, Role.MEMBER, headless, address, access)
        for address in _addresses(headless)
        if address != settings.pod_ip
    ]
    if not peers:
        return Others()
    with ThreadPoolExecutor(len(peers)) as threads:
        told = threads.map(lambda peer: _ask(peer, settings.pod_fqdn), peers)
        return next((it for it in told if it.seeds), Others())


def _addresses(name: str) -> list[str]:
    with suppress(OSError):
        return sorted({str(it[4][0]) for it in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    return []


def _ask(peer: Instance, own_host: str) -> Others:
    try:
        with over_tls(peer) as session:
            members, row = session.query(_MEMBERS), facts.member_group(session)
    except DatabaseError:
        return Others()
    online = [member for member in members if member["online"]]
    if not any(member["own"] for member in online) or 2 * len(online) <= len(members):
        return Others()
    seeds = tuple(sorted(f"{member['host']}:{member['port']}" for member in online))
    settled = not any(member["lost"] or member["host"] == own_host for member in members)
    return Others(seeds, row.group_name if row else "", admits=row is not None and row.open, settled=settled)
