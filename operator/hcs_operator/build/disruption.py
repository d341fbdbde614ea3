"""PodDisruptionBudgets: a drain takes at most one pod of each component at a time."""

from hcs_operator.api.labels import selector
from hcs_operator.api.spec import Stack
from hcs_operator.build.context import Document
from hcs_operator.build.metadata import metadata


def disruption_budgets(stack: Stack) -> list[Document]:
    """One budget for each component; those of one pod may be drained, since they come back elsewhere."""
    return [
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata(stack, stack.names.of(component), component),
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector(stack.name, component)}},
        }
        for component in stack.components
    ]
