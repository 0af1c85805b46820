"""Vendors that answer HTTP 200 to everything, and say with a number in the body what became of the message."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from agent.channels.shared.exchange import Response, classify_status, not_the_vendor, refusal, retry_after
from agent.core.ports import Receipt, SendError, SendErrorKind
from agent.core.redact import Redactor


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a number says: the error's kind and reason, and the seconds to wait where the vendor's rules name them."""

    kind: SendErrorKind
    reason: str
    wait: float | None = None


BUSY = Meaning(SendErrorKind.RETRY, "server_error")
FORBIDDEN = Meaning(SendErrorKind.MISCONFIGURED, "auth_error")
GONE = Meaning(SendErrorKind.MISCONFIGURED, "gone")
BAD = Meaning(SendErrorKind.REJECTED, "client_error")


def judge_code(
    response: Response, key: str, meanings: Mapping[int, Meaning], now: int, redactor: Redactor
) -> Receipt:  # fmt: skip
    """Read the number under `key`, 0 for success, then the status. Raises SendError.

    A number that is not known is tried again: nothing is lost, and the circuit keeps the pace down. `now` as in
    `classify_status`.
    """
    code = response.object.get(key)
    if not isinstance(code, int):
        raise classify_status(response, now, redactor) or not_the_vendor(response, redactor)
    if response.status == HTTPStatus.OK and code == 0:
        return Receipt(status=response.status)
    if code not in meanings:
        raise classify_status(response, now, redactor) or _error(BUSY, response, now, redactor)
    raise _error(meanings[code], response, now, redactor)


def _error(meaning: Meaning, response: Response, now: int, redactor: Redactor) -> SendError:
    wait = retry_after(response.headers, now) or meaning.wait
    return refusal(meaning.kind, response, redactor, reason=meaning.reason, retry_after=wait)
