"""The one service account of a stack's pods. It may do nothing, and its token is not mounted."""

from hcs_operator.api.spec import Stack
from hcs_operator.build.context import Document
from hcs_operator.build.metadata import metadata


def service_account(stack: Stack) -> Document:
    """The ServiceAccount."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(stack, stack.names.service_account, "stack"),
        "automountServiceAccountToken": False,
    }
