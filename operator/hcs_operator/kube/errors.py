"""What can go wrong between the operator and the API server, by what the caller should do about it.

KubeError
├── NotFound       the object is not there (404)
├── Conflict       somebody else was faster: resourceVersion, uid, name or field ownership (409)
├── Refused        the API server will never take this document; its message says why (400, 403, 413, 422, and a 500
│                  for a field that does not exist)
├── BudgetSpent    a disruption budget lets no pod go now (429 with that cause); nothing was done
├── NamespaceGone  the namespace is being deleted; nothing more can be made in it (403 or 404 with that cause)
└── Unavailable    try again later: no answer, time-out, throttled (408, 429)
    └── Failed     an answer that blames the server or a webhook of this kind of object (5xx)
"""

import json
from typing import Any


class KubeError(Exception):
    """Base of all failures of a request to the API server; `str()` is a sentence fit for a condition."""


class NotFound(KubeError):
    """The object does not exist (404)."""


class Conflict(KubeError):
    """The object changed, exists already, has another uid, or the field belongs to another manager (409)."""


class Refused(KubeError):
    """The API server refuses the document for good (400, 401, 403, 405, 413, 415, 422)."""


class BudgetSpent(KubeError):
    """No pod that a disruption budget covers may go now; `str()` is what that budget says."""


class NamespaceGone(KubeError):
    """The namespace is terminating or gone: nothing can be created in it."""


class Unavailable(KubeError):
    """No usable answer this time: time-out, connection refused, throttled, or a server error."""


class Failed(Unavailable):
    """The API server answered that it, or an admission webhook, failed (5xx): other objects may fare better."""


_NO_SUCH_FIELD = "failed to create typed patch object"
"""How server-side apply answers unknown and mistyped fields, as a 500 (https://github.com/kubernetes/kubernetes/issues/139253)."""


def error_of(status: int, body: str) -> KubeError:
    """Turn an HTTP status and its `Status` body into the error a caller can act on."""
    answer = _status_body(body)
    message = str(answer.get("message") or f"the API server answered {status}")
    causes = (answer.get("details") or {}).get("causes") or ()
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return NamespaceGone(message)
    if status == 404:
        about_namespace = (answer.get("details") or {}).get("kind") == "namespaces"
        return NamespaceGone(message) if about_namespace else NotFound(message)
    if status == 409:
        return Conflict(message)
    if status == 429 and (spent := [it for it in causes if it.get("reason") == "DisruptionBudget"]):
        return BudgetSpent(str(spent[0].get("message") or message))
    if status in {408, 429}:
        return Unavailable(message)
    return Failed(message) if status >= 500 and _NO_SUCH_FIELD not in message else Refused(message)


def _status_body(body: str) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {"message": body[:500]} if body else {}
    return answer if isinstance(answer, dict) else {}
