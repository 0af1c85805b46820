"""When the node's way out counts as closed."""

import pytest

from agent.core import health_rules
from agent.core.model import ChannelState, Severity


def channel(name, failures=3, reason="network", paused_until=None):
    return ChannelState(name, paused_until, reason, f"{name} does not answer", failures, failing_since=1)


WELL = ChannelState("mail", last_success_at=1)
SUSPENDED = channel("mail", 9, "auth_error", paused_until=5)


@pytest.mark.parametrize(
    ("states", "asked", "closed"),
    [
        ([channel("ops"), channel("team", reason="timeout")], "ops team", True),
        ([channel("ops")], "ops", False),
        ([channel("ops"), channel("team", failures=2)], "ops team", False),
        ([channel("ops"), channel("team"), WELL], "ops team mail", False),
        ([channel("ops"), channel("team"), WELL], "ops team", True),
        ([channel("ops"), channel("team")], "ops team mail", False),
        ([channel("ops"), channel("team"), SUSPENDED], "ops team mail", True),
        ([channel("ops"), SUSPENDED], "ops mail", False),
        ([channel("ops"), channel("team", reason="server_error")], "ops team", False),
        ([channel("ops"), channel("team", reason="tls", paused_until=5)], "ops team", False),
        ([channel("ops"), channel("team"), channel("gone")], "", False),
    ],
)
def test_the_way_out_is_closed_when_nobody_answers_on_two_channels_and_none_works(states, asked, closed):
    seen = health_rules.network(states, asked.split(), "n1")
    assert seen.observed == (Severity.WARNING if closed else None)


def test_it_names_the_channels_and_one_error():
    seen = health_rules.network([channel("team"), channel("ops")], ["team", "ops"], "n1")
    assert "any of its channels (ops, team): team does not answer." in seen.condition.message
