"""A form with a picture, as `multipart/form-data` (RFC 7578). Builds a request, sends nothing."""

import hashlib
from collections.abc import Mapping

from agent.channels.shared.exchange import Request
from agent.channels.shared.posting import encoded
from agent.core.model import Json

FILE_NAME = "chart.png"


def form(url: str, fields: Mapping[str, Json], name: str, png: bytes) -> Request:
    """Build a POST of `fields` (texts as they are, all else as JSON) and the picture, as the file `name`.

    The boundary is taken from the picture, so that equal forms are equal to the byte; a log cannot guess it.
    """
    boundary = f"gpuwarden-{hashlib.sha256(png).hexdigest()[:32]}"
    parts = [
        *(_part(boundary, f'name="{key}"', _written(value)) for key, value in fields.items()),
        _part(boundary, f'name="{name}"; filename="{FILE_NAME}"', png, "Content-Type: image/png\r\n"),
    ]
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return Request("POST", url, headers, b"".join(parts) + f"--{boundary}--\r\n".encode())


def _part(boundary: str, disposition: str, content: bytes, more: str = "") -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n{more}\r\n"
    return head.encode() + content + b"\r\n"


def _written(value: Json) -> bytes:
    return value.encode("utf-8", "replace") if isinstance(value, str) else encoded(value)
