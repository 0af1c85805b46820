"""The process in which Apprise runs: reads one order from standard input, answers with one line, and is gone.

The URL, a secret, comes that way and not as an argument, which anybody on the machine could read. Nothing here imports
more than it needs: Apprise alone takes a third of a second.
"""

import json
import sys
from collections.abc import Mapping, Sequence

import apprise

from agent.core.model import Json

TITLE_MARKUP = 20
"""Characters that Apprise may put around a title which its service wants in the body."""


def main() -> None:
    """Carry out the order."""
    order = json.load(sys.stdin)
    with apprise.LogCapture(level=30, fmt="%(message)s") as log:
        answer = carry_out(order)
        answer["said"] = answer.get("said") or log.getvalue()
    print(json.dumps(answer))  # noqa: T201 - the answer


def carry_out(order: Mapping[str, Json]) -> dict[str, Json]:
    """Send one message to one service, by no other way than the one its URL names."""
    asset = apprise.AppriseAsset(app_id="gpuwarden", app_desc="gpuwarden", http_redirects=False, async_mode=False)
    service = apprise.Apprise.instantiate(order["url"], asset=asset, suppress_exceptions=True)
    if service is None:
        return {"known": False, "said": "it does not know this URL"}
    service.socket_connect_timeout = service.socket_read_timeout = order["timeout"]
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    title = order["title"]
    room = service.body_maxlen if service.title_maxlen else service.body_maxlen - len(title) - TITLE_MARKUP
    delivered = sender.notify(
        body=longest(order["bodies"], room), title=title, notify_type=order["kind"],
        body_format=apprise.NotifyFormat.TEXT,
    )  # fmt: skip
    return {"delivered": bool(delivered)}


def longest(bodies: Sequence[str], room: int) -> str:
    """Choose the longest of the bodies, which get ever shorter, for which there is room; else the last."""
    return next((body for body in bodies if len(body) <= room), bodies[-1])


if __name__ == "__main__":
    main()
