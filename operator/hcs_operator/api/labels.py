"""Labels of a stack's objects, and the selectors made of them."""

from collections.abc import Mapping

PREFIX = "highconcurrency.dev"
STACK = f"{PREFIX}/stack"
COMPONENT = "app.kubernetes.io/component"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "hcs-operator"
SELECTOR = f"{MANAGED_BY}={MANAGER}"
"""What the operator watches."""


def labels(stack: str, component: str) -> dict[str, str]:
    """All labels of an object."""
    return {
        "app.kubernetes.io/name": "hcs",
        "app.kubernetes.io/instance": stack,
        COMPONENT: component,
        "app.kubernetes.io/part-of": stack,
        MANAGED_BY: MANAGER,
        STACK: stack,
    }


def selector(stack: str, component: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The fewest labels that pick a component's pods; never changed, as a Deployment's selector cannot be."""
    return {STACK: stack, COMPONENT: component, **(extra or {})}
