"""Whatever a log says: the vendor takes it, and no cut leaves half an escape, half a tag or half a character."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.model import Link
from tests.channels.adapters import ADAPTERS
from tests.channels.samples import FAILED, channel, message

NAMES = ("dingtalk", "discord", "feishu", "ntfy", "slack", "teams", "telegram", "wecom")
TOKENS = (
    "&", "&am", "&amp;", "<", "</b>", "<b>", "<at id=all>", "`", "```", "*", "[x](", ")", "\\", '"', "\n", " ",
    "a" * 90, "损失", "📉", "\u202e", "\x00", "-", "1. ", "# ", "@all",
)  # fmt: skip
texts = st.lists(st.sampled_from(TOKENS), max_size=400).map("".join)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(title=texts, said=texts, lines=st.lists(texts, max_size=5), fact=texts, plain=st.booleans())
def test_it_is_taken(name, title, said, lines, fact, plain):
    alert = replace(
        FAILED, title=title, message=said, evidence=tuple(lines), advice=said, fields={"fact": fact},
        links=(Link(said, "https://runs.example/1?a=(1)&b=%22"),),
    )  # fmt: skip
    made = channel(ADAPTERS[name].table("http://127.0.0.1:9"))
    body = made.preview(message(alert, plain=plain), "key").partition("\n\n")[2]
    if name == "ntfy":  # its topic is masked where it is only shown
        body = json.dumps({**json.loads(body), "topic": "gpus"}, ensure_ascii=False)
    assert ADAPTERS[name].check(body.encode()) == []
