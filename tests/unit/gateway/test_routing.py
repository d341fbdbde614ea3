"""Routes: which one a request takes, and which requests take none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcs_services.gateway.routing import MethodNotAllowed, Router, RoutingError, path_segments

pytestmark = pytest.mark.unit


def routed(*routes: tuple[str, str, str]) -> Router[str]:
    router: Router[str] = Router()
    for methods, path, target in routes:
        router.add(methods.split(), path, target)
    return router


ORDERS = routed(
    ("POST", "/orders", "create"),
    ("GET", "/orders/{order_id}", "read"),
    ("PATCH DELETE", "/orders/{order_id}", "change"),
    ("POST", "/orders/{order_id}/refund", "refund"),
    ("GET", "/orders/latest", "latest"),
)


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("POST", b"/orders", "create"),
        ("GET", b"/orders/1", "read"),
        ("HEAD", b"/orders/1", "read"),
        ("DELETE", b"/orders/1", "change"),
        ("GET", b"/orders/latest", "latest"),
        ("DELETE", b"/orders/latest", "change"),
        ("POST", b"/%6Frders", "create"),
        ("POST", b"/orders/latest/refund", "refund"),
    ],
)
def test_a_request_takes_the_route_of_its_method_and_shape(method: str, path: bytes, target: str) -> None:
    assert ORDERS.match(method, path) == target


def test_a_known_path_with_another_method_names_those_it_takes() -> None:
    assert ORDERS.match("PUT", b"/orders/1") == MethodNotAllowed(("DELETE", "GET", "HEAD", "PATCH"))
    assert ORDERS.match("GET", b"/orders") == MethodNotAllowed(("POST",))


@pytest.mark.parametrize(
    "path",
    [
        b"/", b"/order", b"/orders/", b"//orders", b"/orders/1/", b"/orders/1/2", b"orders", b"*", b"",
        b"/orders/.", b"/orders/..", b"/orders/%2e%2E", b"/orders/a%2Fb", b"/orders/a%5cb", b"/orders/a%00",
        b"/orders/%ff", b"/orders/%0a", b"/x/../orders",
    ],
)  # fmt: skip
def test_a_path_that_is_unknown_or_ambiguous_has_no_route(path: bytes) -> None:
    assert ORDERS.match("POST", path) is None


SEGMENTS = st.sampled_from(["orders", "latest", "refund", "1", "a.b", "..", "", "o rders"])


@given(st.lists(SEGMENTS, max_size=5), st.sampled_from(["GET", "POST", "DELETE", "PUT"]))
def test_the_short_way_leads_where_the_long_one_does(segments: list[str], method: str) -> None:
    class LongWay(Router[str]):
        def _nearest(self, segments: list[str]) -> None:
            return None

    long = LongWay()
    vars(long).update(vars(ORDERS))
    plain, encoded = (
        "".join("/" + each for each in written).encode()
        for written in (segments, ["".join(f"%{ord(letter):02x}" for letter in each) for each in segments])
    )
    assert long.match(method, encoded) == ORDERS.match(method, plain)


@given(st.binary(max_size=40))
def test_any_path_is_judged_without_an_error(path: bytes) -> None:
    segments = path_segments(b"/" + path)
    assert segments is None or all(segment and "/" not in segment for segment in segments)


@pytest.mark.parametrize(
    "path", ["orders", "/orders/{}", "/orders/{id", "/or{d}ers", "/orders//x", "/orders/{a-b}", "/"]
)
def test_a_malformed_template_is_refused(path: str) -> None:
    with pytest.raises(RoutingError):
        routed(("GET", path, "x"))


def test_two_routes_of_one_shape_and_method_are_refused() -> None:
    with pytest.raises(RoutingError, match="routed twice"):
        routed(("GET", "/orders/{a}", "x"), ("GET", "/orders/{b}", "y"))
