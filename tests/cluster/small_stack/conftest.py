"""The small stack that these modules share; it goes with the last of them, that it takes no processor from other tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.cluster.conftest import Stack, own_namespace, resource
from tests.cluster.kubectl import Kubectl


@pytest.fixture(scope="package")
def small(kubectl: Kubectl, reach: Callable[[Kubectl, str], Stack]) -> Iterator[Stack]:
    """A small stack in a namespace of its own: each module says first what it is to `become`."""
    with own_namespace(kubectl) as inside:
        inside.apply(resource("small"))
        yield reach(inside, "small")
