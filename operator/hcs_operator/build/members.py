"""The members of the MySQL group."""

from hcs_operator.api.database import Role
from hcs_operator.api.names import DB
from hcs_operator.api.spec import Stack
from hcs_operator.build.context import Context, Document
from hcs_operator.build.mysql import instances


def members(stack: Stack, context: Context) -> list[Document]:
    """ConfigMap and StatefulSet."""
    spec = stack.spec.database
    return instances(
        stack,
        context,
        DB,
        Role.MEMBER,
        count=context.count(DB, spec.members),
        storage=spec.storage,
        resources=spec.resources,
        template=spec.template,
    )
