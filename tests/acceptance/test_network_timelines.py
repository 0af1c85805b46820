"""Timelines of a node that nobody answers: one message once the network is back, and none about each channel."""

import re

from agent.core.clock import HOUR, MINUTE, SECOND
from agent.core.model import AlertType
from agent.core.policy.model import Grouping, Recipient, Rules
from agent.core.ports import SendError, SendErrorKind
from agent.store import backlog
from tests.support.timeline import Memory

DISK, ERROR = AlertType.DISK_WARNING, AlertType.GPU_ERROR
NETWORK = ("agent_degraded", "resolved")
OPS, TEAM, MAIL = Recipient("ops", "slack"), Recipient("team", "discord"), Recipient("mail", "email")


class Reminded(Memory):
    """A channel whose receiver is told again every minute what is open."""

    refresh_every = 60.0

    def refresh(self, messages, now):
        pass


class Wire:
    """What lies between a node and its channels; `refusal` is what they meet while it is cut."""

    def __init__(self, node, *names):
        self.node = node
        self.down = set(names)
        for name in names:
            self.cut(name, SendErrorKind.RETRY, "network")

    def cut(self, name, kind, reason):
        channel = self.node.channels[name]

        def through(verb):
            def call(*args):
                if name in self.down:
                    raise SendError(kind, f"{name}.example: Name or service not known", reason=reason)
                return verb(channel, *args)

            return call

        channel.send = through(type(channel).send)
        if isinstance(channel, Reminded):
            channel.refresh = through(Reminded.refresh)

    def mend(self, *names):
        self.down.difference_update(names or tuple(self.down))


def later(node, milliseconds):
    node.run_until(node.clock.now().wall + milliseconds)


def reasons(node, alert_type):
    """What became of each delivery about alerts of one type: channel, state, first word of the reason."""
    rows = (row for row in node.deliveries() if row.snapshot.type is alert_type)
    return {(row.channel, str(row.state), (row.reason or "").partition(":")[0]) for row in rows}


def test_an_hour_without_a_network_is_one_message_about_it_on_each_channel(nodes):
    node = nodes(OPS, TEAM, MAIL, Recipient("journal", "console"), rules=Rules(grouping=Grouping()))
    wire = Wire(node, "ops", "team", "mail")
    node.emit(ERROR, title="GPU 3 is out of order")
    later(node, HOUR)
    assert [node.sent(name) for name in ("ops", "team", "mail")] == [[], [], []]

    wire.mend()
    later(node, 20 * MINUTE)
    for name in ("ops", "team", "mail"):
        assert node.sent(name) == [("gpu_error", "fired"), NETWORK], name
        told = node.channels[name].sent[-1].message
        assert told.title == "Resolved: No channel can be reached"
        assert "on any of its channels (mail, ops, team): ops.example: Name or service not known." in told.body
        assert re.search(r"Fired 14:13, resolved 15:1\d", told.body)
        assert "Channel team cannot deliver" in dict(told.facts)["Also affected"]
    assert node.sent("journal") == [("gpu_error", "fired"), ("agent_degraded", "fired"), NETWORK]


def test_the_channels_need_not_notice_at_once(nodes):
    node = nodes(OPS, TEAM, MAIL)
    wire = Wire(node, "ops", "team", "mail")
    node.emit(ERROR)
    later(node, HOUR)
    wire.mend()
    later(node, 20 * MINUTE)
    assert [node.sent(name) for name in ("ops", "team", "mail")] == [[("gpu_error", "fired"), NETWORK]] * 3


def test_what_was_said_of_a_channel_before_the_others_were_tried_is_taken_back(nodes):
    only_gpus = frozenset({ERROR})
    node = nodes(OPS, TEAM, Recipient("mail", "email", match={"gpu": "none"}), Recipient("pager", "ntfy", only_gpus))
    wire = Wire(node, "ops", "team", "mail", "pager")
    node.emit(ERROR)
    node.run(12)
    wire.mend("team")  # which takes the alert and is then idle
    node.run(5)
    wire.down.add("team")
    later(node, 10 * MINUTE)
    assert ("team", "suppressed", "inhibited_by") in reasons(node, AlertType.CHANNEL_FAILING)
    wire.mend()
    later(node, 20 * MINUTE)
    assert node.sent("ops") == [("gpu_error", "fired"), NETWORK]
    assert node.sent("team") == [("gpu_error", "fired"), NETWORK]
    assert (node.sent("mail"), node.sent("pager")) == ([], [("gpu_error", "fired")])


def test_a_digest_of_what_is_taken_back_is_never_sent(nodes):
    idle = Recipient("idle", "email", match={"component": "*"}), Recipient("other", "ntfy", match={"node": "*"})
    node = nodes(OPS, TEAM, *idle, rules=Rules(grouping=Grouping()))
    wire = Wire(node, "ops", "team", "idle", "other")
    wire.mend("other")
    node.emit(ERROR)
    node.run(12)
    wire.down.add("other")  # it has had the alert, and next hears of the channels
    later(node, 10 * MINUTE)
    wire.mend()
    later(node, 20 * MINUTE)
    assert node.sent("other") == [("gpu_error", "fired"), NETWORK]
    assert ("other", "superseded", "nothing_left") in reasons(node, AlertType.CHANNEL_FAILING)


def test_one_channel_that_works_is_told_of_those_that_do_not(nodes):
    node = nodes(OPS, TEAM, MAIL)
    Wire(node, "ops", "team")
    node.emit(ERROR)
    later(node, 10 * MINUTE)
    assert sorted(node.sent("mail")) == [("channel_failing", "fired")] * 2 + [("gpu_error", "fired")]


def test_a_credential_that_is_refused_is_told_all_the_same(nodes):
    node = nodes(OPS, TEAM, MAIL)
    wire = Wire(node, "ops", "team", "mail")
    wire.cut("mail", SendErrorKind.MISCONFIGURED, "auth_error")
    node.emit(ERROR)
    later(node, 10 * MINUTE)
    wire.mend("ops", "team")
    later(node, 20 * MINUTE)
    for name in ("ops", "team"):
        assert sorted(node.sent(name)) == [NETWORK, ("channel_failing", "fired"), ("gpu_error", "fired")]
        assert [sent.message.alert.labels["channel"] for sent in node.channels[name].sent
                if sent.what[0] == "channel_failing"] == ["mail"]  # fmt: skip


def test_the_first_that_works_lets_the_others_try_at_once(nodes, clock):
    node = nodes(OPS, TEAM, MAIL)
    wire = Wire(node, "ops", "team", "mail")
    node.emit(ERROR)
    later(node, HOUR)
    wire.mend()
    later(node, 20 * MINUTE)
    first = [node.channels[name].sent[0].at for name in ("ops", "team", "mail")]
    assert max(first) - min(first) <= SECOND


def test_a_receiver_that_is_reminded_shows_it_first(nodes, clock):
    state = Recipient("state", "alertmanager", stateful=True)
    node = nodes(OPS, TEAM, state, channels={"state": Reminded(clock)})
    wire = Wire(node, "ops", "team", "state")
    wire.mend()
    node.emit(DISK, labels={"mountpoint": "/data"})
    later(node, MINUTE)
    wire.down |= {"ops", "team", "state"}
    node.emit(ERROR)
    later(node, 55 * MINUTE)
    wire.mend()
    mended = clock.now().wall
    later(node, 20 * MINUTE)
    told = [next(sent.at for sent in node.channels[name].sent if sent.at >= mended) for name in ("ops", "team")]
    assert max(told) - mended <= MINUTE + SECOND
    assert node.sent("state") == [("disk_warning", "fired"), ("gpu_error", "fired")]


def test_a_provider_that_answers_with_trouble_of_its_own_can_be_reached(nodes):
    node = nodes(OPS, TEAM, Recipient("journal", "console"), rules=Rules(grouping=Grouping()))
    wire = Wire(node, "ops", "team")
    node.emit(ERROR)
    later(node, HOUR)
    wire.cut("ops", SendErrorKind.RETRY, "server_error")
    later(node, 20 * MINUTE)
    assert node.sent("journal") == [
        ("gpu_error", "fired"), ("agent_degraded", "fired"), NETWORK, ("channel_failing", "fired"),
        ("channel_failing", "fired"),
    ]  # fmt: skip


def test_a_kill_while_it_lasts_changes_nothing(nodes):
    node = nodes(OPS, TEAM)
    wire = Wire(node, "ops", "team")
    node.emit(ERROR)
    for _ in range(3):
        later(node, 10 * MINUTE)
        node.restart()
    wire.mend()
    later(node, 20 * MINUTE)
    assert [node.sent(name) for name in ("ops", "team")] == [[("gpu_error", "fired"), NETWORK]] * 2


def test_no_incident_is_opened_for_a_network_that_is_back(nodes):
    pager = Recipient("pager", "pagerduty", stateful=True)
    node = nodes(OPS, pager)
    wire = Wire(node, "ops", "pager")
    node.emit(ERROR)
    later(node, HOUR)
    wire.mend()
    later(node, 20 * MINUTE)
    assert node.sent("pager") == [("gpu_error", "fired")]
    assert node.sent("ops") == [("gpu_error", "fired"), NETWORK]


def test_where_nothing_else_waits_the_word_itself_finds_out_that_the_network_is_back(nodes):
    node = nodes(OPS, TEAM)
    wire = Wire(node, "ops", "team")
    node.emit(ERROR)
    later(node, 10 * MINUTE)
    ids = [row.id for row in node.deliveries() if row.state.open and row.snapshot.type is ERROR]
    with node._connect() as database:
        database.write(lambda conn: backlog.drop(conn, ids))
    later(node, 10 * MINUTE)
    wire.mend()
    later(node, HOUR)
    assert node.sent("ops")[-1] == node.sent("team")[-1] == NETWORK
    assert not [row for row in node.deliveries() if row.state.open]
