"""Asks the other members whether they form a majority: only then does a START lead anywhere."""

import socket
from contextlib import suppress

from hcs_operator.agent.accounts import REPLICATION
from hcs_operator.agent.settings import Settings
from hcs_operator.api.database import Access, Instance, Role
from hcs_operator.mysql import facts
from hcs_operator.mysql.errors import DatabaseError
from hcs_operator.mysql.session import over_tls


def majority_elsewhere(settings: Settings) -> bool:
    """Say whether one of the pods behind the members' headless name is ONLINE in a majority, by its own view."""
    headless = settings.pod_fqdn.partition(".")[2]
    password = (settings.credentials / "repl-password").read_text().strip()
    access = Access(REPLICATION, password, (settings.certificates / "ca.crt").read_text())
    found = [Instance(address, Role.MEMBER, headless, address, access) for address in _addresses(headless)]
    return any(_in_majority(peer) for peer in found if peer.address != settings.pod_ip)


def _addresses(name: str) -> list[str]:
    with suppress(OSError):
        return sorted({str(it[4][0]) for it in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    return []


def _in_majority(peer: Instance) -> bool:
    with suppress(DatabaseError), over_tls(peer) as session:
        group = facts.group(session)
        return group.state == "ONLINE" and 2 * group.online > group.total
    return False
