"""Reads `multipart/form-data` as a server does."""

from dataclasses import dataclass
from email import message_from_bytes, policy

from tests.support.standin import Received


@dataclass(frozen=True)
class Part:
    content: bytes
    filename: str | None
    type: str


def form(request: Received) -> dict[str, Part]:
    """The parts of a form by their names."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    parts = {}
    for part in message_from_bytes(head + request.body, policy=policy.HTTP).iter_parts():
        name = part.get_param("name", header="content-disposition")
        parts[name] = Part(part.get_payload(decode=True), part.get_filename(), part.get_content_type())
    return parts
