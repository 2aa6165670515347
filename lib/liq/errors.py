"""Every error liq raises on purpose.

::

    LiqError                what went wrong, and what to do about it, in one message
    ├── ConfigError         a setting is unknown, missing or out of range
    ├── RejectedMessage     a venue's message cannot become a record (it is dead-lettered)
    ├── FeedError           an exchange websocket cannot be reached or kept
    ├── RecordingError      a recording cannot be written or read
    ├── KafkaError          the broker is unreachable or refused a request
    │   └── KafkaAwayError      no broker answers, or it is not ready
    ├── JournalError        the disk does not keep what Kafka has not acknowledged
    ├── DeadLetterError     there is no such dead letter
    ├── ConnectError        Kafka Connect is unreachable or refused a configuration
    ├── QuestDBError        QuestDB is unreachable or refused a statement
    │   ├── QuestDBAwayError    it cannot be reached, or closed the connection
    │   │   └── QuestDBLoginError   it refuses the user or the password
    │   ├── QuestDBMemoryError  a statement needs more memory than QuestDB may take
    │   └── QuestDBTimeoutError it took too long, or does not answer
    ├── ApiError            the HTTP API is unreachable or refused a request
    │   ├── ApiAwayError        it cannot be reached, or the connection was lost
    │   ├── ApiBusyError        it cannot answer now: too many requests, or QuestDB is away
    │   ├── ApiTimeoutError     it did not answer in time, or the query took too long
    │   ├── ApiLoginError       it wants a token, or another one
    │   └── ApiRequestError     there is no such query, or a parameter is wrong
    ├── QueryError          an unknown query key, or a wrong parameter
    ├── ExportError         a result or a report cannot be written to a file
    ├── RuleError           an alert rule cannot be used
    ├── StackError          a local service cannot be started or stopped
    ├── SparkError          Spark cannot be started, or a job of its failed
    ├── ServeError          the dashboard or JupyterLab cannot be served
    ├── NotebookError       a notebook cannot be run, or failed
    └── DependencyError     a library lacks a name that liq changes or uses, see workarounds.md

Errors of third-party clients are turned into these at the module that alone imports the client,
with ``raise ... from``, so that the cause stays readable.

Example:
    >>> from liq.errors import QueryError
    >>> try:
    ...     liq.hit("totls")
    ... except QueryError as error:
    ...     print(error)
    unknown query 'totls', did you mean 'totals'? valid are: ...
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liq.records.model import Record


class LiqError(Exception):
    """Base of all liq errors; its text names the failure and the fix."""


class LiqWarning(UserWarning):
    """A query has a result, but an argument looks wrong; its text names it, e.g. a name."""


class ConfigError(LiqError):
    """A setting is unknown, missing or out of range."""


class RejectedMessage(LiqError):  # noqa: N818 - it names the message's fate, as the dead-letter topic does
    """A venue's message cannot become a record; its text is the dead-letter reason.

    The text has at most ``MOST`` characters: the message itself, which a reason may quote, can have
    a million. ``accepted`` holds the records of the same message that could be understood, as a
    parser would return them. ``unknown`` names the contracts in it that the venue's listing did not
    have.
    """

    MOST = 500

    def __init__(
        self,
        reason: str,
        accepted: Sequence["Record"] = (),
        unknown: Collection[str] = (),
    ) -> None:
        super().__init__(reason if len(reason) <= self.MOST else f"{reason[: self.MOST - 1]}…")
        self.accepted = accepted
        self.unknown = frozenset(unknown)


class FeedError(LiqError):
    """An exchange websocket cannot be reached or kept."""


class RecordingError(LiqError):
    """A recording of raw frames cannot be written or read."""


class KafkaError(LiqError):
    """The broker is unreachable or refused a request."""


class KafkaAwayError(KafkaError):
    """No broker answers, or it is not ready; a retry may succeed."""


class JournalError(LiqError):
    """The disk does not keep what Kafka has not acknowledged."""


class DeadLetterError(LiqError):
    """There is no such dead letter."""


class ConnectError(LiqError):
    """Kafka Connect is unreachable or refused a configuration."""


class QuestDBError(LiqError):
    """QuestDB is unreachable or refused a statement."""


class QuestDBAwayError(QuestDBError):
    """QuestDB cannot be reached, or closed the connection; a retry may succeed."""


class QuestDBLoginError(QuestDBAwayError):
    """QuestDB refused the user or the password; its text names the setting."""


class QuestDBMemoryError(QuestDBError):
    """A statement needs more memory than QuestDB may take."""


class QuestDBTimeoutError(QuestDBError):
    """A statement took too long: QuestDB cancelled it, or did not answer."""


class ApiError(LiqError):
    """The HTTP API is unreachable or refused a request."""


class ApiAwayError(ApiError):
    """The HTTP API cannot be reached, or the connection was lost; a retry may succeed."""


class ApiBusyError(ApiError):
    """The HTTP API cannot answer now; a retry may succeed ``retry_after_s`` seconds later."""

    def __init__(self, text: str, retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class ApiTimeoutError(ApiError):
    """The HTTP API did not answer in time, or the query took too long."""


class ApiLoginError(ApiError):
    """The HTTP API wants a token, or another one."""


class ApiRequestError(ApiError):
    """The HTTP API has no such query, or a parameter of the request is wrong."""


class QueryError(LiqError):
    """An unknown query key, or a parameter that is unknown or out of range."""


class ExportError(LiqError):
    """A result or a report cannot be written to a file."""


class RuleError(LiqError):
    """An alert rule, or the file of them, cannot be used."""


class StackError(LiqError):
    """A local service cannot be started or stopped."""


class SparkError(LiqError):
    """Spark cannot be started, or a job of its failed."""


class SparkAwayError(SparkError):
    """Spark's cluster does not answer, or runs no task; a retry may succeed."""


class ServeError(LiqError):
    """The dashboard or JupyterLab cannot be served."""


class NotebookError(LiqError):
    """A notebook cannot be run with these parameters, or one of its cells failed."""


class DependencyError(LiqError):
    """An installed library lacks a name that liq changes or uses, see docs/workarounds.md."""
