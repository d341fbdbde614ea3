"""Names fit where Kubernetes puts them, and no two stacks ever share one."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.build.stacks import context, stack

from hcs_operator.api.names import LONGEST_STACK_NAME
from hcs_operator.build import desired
from hcs_operator.build.credentials import secrets

LABEL = 63
HASH = len("-7d9f8b6c5d")
ROOM = {"StatefulSet": HASH, "Deployment": HASH, "Job": len("-x7k2p")}
STACKS = st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
# Names that are made of what the operator appends are the ones that could meet.
TRICKY = (
    st.lists(
        st.sampled_from(["a", "db", "0", "api", "read", "write", "primary", "cache", "ca", "tls", "replica", "limits"]),
        min_size=1,
        max_size=4,
    )
    .map("-".join)
    .filter(lambda name: name[0].isalpha())
)


def names_of(name: str) -> set[tuple[str, str]]:
    of_stack = stack({"gateway": {"rateLimit": {"scope": "global"}}}, name=name)
    documents = [item.document for item in desired(of_stack, context())]
    made = {("Secret", secret) for secret in secrets(of_stack)}
    made |= {("Secret", of_stack.names.authority), ("Secret", of_stack.names.database_tls)}
    made |= {("ConfigMap", of_stack.names.authority)}
    claims = {
        ("PersistentVolumeClaim", f"data-{document['metadata']['name']}-0")
        for document in documents
        if document["kind"] == "StatefulSet"
    }
    return made | claims | {(document["kind"], document["metadata"]["name"]) for document in documents}


@given(STACKS)
def test_every_name_is_a_label_with_room_for_a_pods_hash(name: str) -> None:
    assert len(name) <= LONGEST_STACK_NAME
    for kind, child in names_of(name):
        assert len(child) + ROOM.get(kind, 0) <= LABEL, (kind, child)


@given(TRICKY, TRICKY)
def test_two_stacks_never_share_a_name(first: str, second: str) -> None:
    if first != second:
        assert not names_of(first) & names_of(second)
