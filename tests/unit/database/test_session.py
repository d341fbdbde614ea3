"""What stands in the way of a session is told as a DatabaseError, whatever it is."""

import pytest

from hcs_operator.api.database import Access, Instance, Role
from hcs_operator.mysql.errors import NotTrusted
from hcs_operator.mysql.session import over_tls

pytestmark = pytest.mark.unit
CUT_OFF = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("damaged", ["garbage", " ", "not ASCII: \ufffd", CUT_OFF])
def test_an_authority_that_is_damaged_is_not_trusted_and_breaks_nothing(damaged: str) -> None:
    instance = Instance("shop-db-0-0", Role.MEMBER, "shop-db-0-0", "127.0.0.1", Access("hcs_admin", "p", damaged))
    with pytest.raises(NotTrusted), over_tls(instance):
        pass
