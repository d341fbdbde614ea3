"""What was granted without Redis is owed to it once."""

import pytest

from hcs_services.gateway.debts import Debts

pytestmark = pytest.mark.unit


def test_a_debt_grows_and_is_settled_once() -> None:
    debts = Debts()
    debts.add(b"c", 1.5)
    debts.add(b"c", 2)
    debts.add(b"d", 1)
    assert debts.settled(b"c") == 3.5
    assert debts.settled(b"c") == 0
    assert debts.settled(b"d") == 1


def test_forgets_the_oldest_debt_beyond_its_bound() -> None:
    debts = Debts(max_clients=2)
    for client in (b"one", b"two", b"one", b"three"):
        debts.add(client, 1)
    assert [debts.settled(client) for client in (b"one", b"two", b"three")] == [2, 0, 1]
