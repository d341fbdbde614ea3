"""What can go wrong between the operator and an instance, by what the caller should do about it.

DatabaseError
├── Unreachable   no answer: no route, refused, time-out, connection lost; look again
├── Denied        the password is not (or not yet) that account's; the agent sets it
├── NotTrusted    TLS could not be established with a certificate of the stack's authority for that name
├── Refused       the instance answered with an error, or a step found what it must not touch
├── NotTaken      it refuses a setting of the spec's; the user has to correct it
└── NotExported   its own transactions cannot be saved, so nothing may be put in their place
"""


class DatabaseError(Exception):
    """Base of all failures at an instance; `str()` is a sentence fit for a condition and never holds a secret."""

    word = "DatabaseError"


class Unreachable(DatabaseError):
    """The instance gave no answer in time."""

    word = "Unreachable"


class Denied(DatabaseError):
    """Access denied (1045, 1130 and the like)."""

    word = "AccessDenied"


class NotTrusted(DatabaseError):
    """The server's certificate is not for this name, or not from this stack's authority."""

    word = "CertificateRefused"


class Refused(DatabaseError):
    """The instance refused a statement; `number` is MySQL's error number, 0 when the refusal is the step's own."""

    word = "StatementRefused"

    def __init__(self, message: str, number: int = 0) -> None:
        super().__init__(message)
        self.number = number


class NotTaken(DatabaseError):
    """A setting is not taken while the server runs."""

    word = "SettingRefused"


class NotExported(DatabaseError):
    """An instance's own transactions are in no ConfigMap, and why; the rest of the sentence is the caller's."""

    word = "ErrantNotExported"
