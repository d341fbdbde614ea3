"""Sizes in claims and in the templates of claims; each StatefulSet of a stack has one template at most."""

from hcs_operator.api.observed import Document


def requested(claim: Document) -> str:
    """Return what a claim, or a template of one, asks for: a Kubernetes quantity."""
    return str(claim["spec"]["resources"]["requests"]["storage"])


def template_size(workload: Document) -> str | None:
    """Return the size that a StatefulSet gives its claims; None for what has no claims."""
    templates = (workload.get("spec") or {}).get("volumeClaimTemplates") or ()
    return requested(templates[0]) if templates else None
