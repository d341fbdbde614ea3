"""Asks the other members whether they form a majority: only then does a START lead anywhere.

Who leads gives out the turns to join, by a lock that is its session's: it ends with whoever holds it.
"""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from hcs_operator.agent.accounts import REPLICATION
from hcs_operator.agent.seen import Others
from hcs_operator.agent.settings import Settings
from hcs_operator.api.database import Access, Instance, Role
from hcs_operator.mysql import facts
from hcs_operator.mysql.errors import DatabaseError
from hcs_operator.mysql.session import over_tls

_MEMBERS = """
SELECT MEMBER_ID = @@server_uuid AS own, MEMBER_HOST AS host, MEMBER_PORT AS port, MEMBER_STATE = 'ONLINE' AS online,
       MEMBER_STATE = 'UNREACHABLE' AS lost, MEMBER_ROLE = 'PRIMARY' AS leads
  FROM performance_schema.replication_group_members
"""

_TURN = "hcs.joining"
_TURN_SECONDS = 120
"""After which the turn of one that is frozen, or cut off, is over: a START gives up after a minute."""


def others(settings: Settings) -> Others:
    """Ask all peers at once; one that is ONLINE in its own view of a majority speaks for all, its leader first."""
    headless, access = _headless(settings), _access(settings)
    peers = [
        Instance(address, Role.MEMBER, headless, address, access)
        for address in _addresses(headless)
        if address != settings.pod_ip
    ]
    if not peers:
        return Others()
    with ThreadPoolExecutor(len(peers)) as threads:
        told = list(threads.map(lambda peer: _ask(peer, settings.pod_fqdn), peers))
    return next((it for it in told if it.leader), next((it for it in told if it.seeds), Others()))


@contextmanager
def turn_to_join(settings: Settings, leader: str) -> Iterator[bool]:
    """Have the turn to join while the block runs; False if another member has it. Raises DatabaseError."""
    with over_tls(Instance(leader, Role.MEMBER, _headless(settings), leader, _access(settings))) as session:
        session.run("SET SESSION wait_timeout = %s", _TURN_SECONDS)
        row = session.one("SELECT GET_LOCK(%s, 0) AS had", _TURN)
        yield bool(row and row["had"])


def _headless(settings: Settings) -> str:
    return settings.pod_fqdn.partition(".")[2]


def _access(settings: Settings) -> Access:
    password = (settings.credentials / "repl-password").read_text().strip()
    return Access(REPLICATION, password, (settings.certificates / "ca.crt").read_text())


def _addresses(name: str) -> list[str]:
    with suppress(OSError):
        return sorted({str(it[4][0]) for it in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    return []


def _ask(peer: Instance, own_host: str) -> Others:
    try:
        with over_tls(peer) as session:
            members, row = session.query(_MEMBERS), facts.member_group(session)
            turn = session.one("SELECT IS_USED_LOCK(%s) IS NOT NULL AS used", _TURN)
    except DatabaseError:
        return Others()
    online = [member for member in members if member["online"]]
    if not any(member["own"] for member in online) or 2 * len(online) <= len(members):
        return Others()
    seeds = tuple(sorted(f"{member['host']}:{member['port']}" for member in online))
    settled = not any(member["lost"] or member["host"] == own_host for member in members)
    return Others(
        seeds,
        row.group_name if row else "",
        admits=row is not None and row.open,
        settled=settled,
        leader=peer.address if any(member["own"] and member["leads"] for member in online) else "",
        joining=bool(turn and turn["used"]),
    )
