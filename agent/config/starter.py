"""The text of a first configuration file, fitted to a machine. Writes nothing itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tomli_w


@dataclass(frozen=True, slots=True)
class Machine:
    """What is known of this machine."""

    node: str
    timezone: str
    """An IANA name, or "local"."""
    state_dir: Path
    mounts: Sequence[str]
    """Where local filesystems are mounted."""


_TEXT = """\
# gpuwarden on {title}. `gpuwarden check` validates this file; `gpuwarden config show` tells what is in effect and why.
# A line that begins with "#" and a letter or bracket is a setting to consider: remove the "#".

[agent]
{node}
{timezone}
#{state_dir}

[sources.disk]
# Found here: {mounts}. "auto" watches every local filesystem; a list watches only those named.
paths = "auto"

[sources.logs]
# Logs that running training programs write are found without this. Others are named here; "**" stands for folders of
# any depth.
paths = []
#paths = ["/data/runs/**/*.log"]

# Where alerts go. With no channel here they are printed to the console. Secrets are better kept in files of their own,
# readable for the agent only; they are read again when they change.

#[channels.team]
#type = "slack"
#url = {{ file = "/etc/gpuwarden/slack-url" }}

#[channels.hook]
#type = "webhook"
#url = "https://example.com/hooks/gpuwarden"
#secret = {{ file = "/etc/gpuwarden/webhook-secret" }}

# Afterwards, `gpuwarden test team` sends a sample.
"""


def starter(machine: Machine) -> str:
    """Return TOML with comments; as it stands it is valid, and watches local disks alone."""
    return _TEXT.format(
        title=machine.node,
        node=_setting("node", machine.node),
        timezone=_setting("timezone", machine.timezone),
        state_dir=_setting("state_dir", str(machine.state_dir)),
        mounts=", ".join(machine.mounts) or "none",
    )


def _setting(key: str, value: str) -> str:
    return tomli_w.dumps({key: value}).rstrip()
