"""The read replicas: asynchronous, never in the group."""

from hcs_operator.api.database import Role
from hcs_operator.api.names import REPLICA
from hcs_operator.api.spec import Stack
from hcs_operator.build.context import Context, Document
from hcs_operator.build.mysql import instances


def readers(stack: Stack, context: Context) -> list[Document]:
    """ConfigMap and StatefulSet."""
    spec = stack.spec.read_replicas
    return instances(
        stack,
        context,
        REPLICA,
        Role.READER,
        count=context.replicas.get(REPLICA),
        storage=spec.storage,
        resources=spec.resources,
        template=spec.template,
    )
