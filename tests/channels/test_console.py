import pytest

from agent.core.model import NotificationKind
from agent.core.ports import SendError, SendErrorKind
from tests.channels.samples import RESOLVED, channel, message
from tests.support.clock import START


def printed(what, **table):
    written = []
    channel({"type": "console", **table}, written=written).send(what, "key")
    (text,) = written
    return text


def test_one_block_a_message():
    assert printed(message()).splitlines() == [
        "─" * 72,
        "❌ Training failed  [critical]  2026-09-21 14:13:21 UTC",
        "bert-large ran out of GPU memory at step 4200 of 5000.",
        "  Model       bert-large",
        "  Duration    2h 05m",
        "  Final loss  0.0213",
        "  Steps       4200/5000",
        "  Node        node-1",
        "  GPUs        0, 1",
        "  Error       torch.OutOfMemoryError: CUDA out of memory.",
        "  | Traceback (most recent call last):",
        "  | torch.OutOfMemoryError: CUDA out of memory. Got <20 GiB> & lost",
        "Advice: Lower the batch size.",
        "Run page: https://runs.example/1?a=1&b=2",
        "job-0123456789ab · node-1",
    ]


def test_a_resolved_condition():
    text = printed(message(RESOLVED, NotificationKind.RESOLVED, now=START + 60_000))
    assert text.splitlines()[1:] == [
        "✅ Resolved: Disk 92 % full: /data  [warning]  2026-09-21 14:14:20 UTC",
        "Fired 14:13, resolved 14:14 (after 1m 00s).",
        "  Node  node-1",
        "alert-1 · node-1",
    ]


def test_a_block_ends_with_a_line_end():
    assert printed(message()).endswith("node-1\n")


def test_the_channels_link_comes_first():
    lines = printed(message(), link="https://runs.example/{job_id}").splitlines()
    assert lines[-3] == "View details: https://runs.example/job-0123456789ab"


def test_an_output_that_takes_no_text_is_tried_again():
    def broken(_):
        raise BrokenPipeError(32, "Broken pipe")

    class Pipe(list):
        append = staticmethod(broken)

    with pytest.raises(SendError) as caught:
        channel({"type": "console"}, written=Pipe()).send(message(), "key")
    assert caught.value.kind is SendErrorKind.RETRY
    assert "Broken pipe" in caught.value.detail
