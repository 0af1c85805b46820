"""What the shared suite must know of each channel: one entry a type. A new channel adds its own here."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email import message_from_bytes, policy
from functools import partial
from html import unescape

from agent.channels.webhook import MOST_BYTES
from agent.core.ports import SendErrorKind
from tests.channels.schemas import alertmanager, dingtalk, feishu, ntfy, teams, telegram, wecom
from tests.channels.schemas import jira as jira_schema
from tests.channels.schemas import linear as linear_schema
from tests.channels.schemas import notion as notion_schema
from tests.channels.schemas import pagerduty as pagerduty_schema
from tests.channels.schemas.base import faults
from tests.support import discord, jira, linear, notion, pagerduty, slack, slack_workspace, smtp
from tests.support.standin import Answer, Received, StandIn

SECRET_PATH = "/hooks/path-s3cret-0123456789"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BOT_TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
FLOW_PATH = "/powerautomate/automations/direct/workflows/0a1b2c3d4e5f60718293a4b5c6d7e8f9/triggers/manual/paths/invoke"
FLOW_QUERY = "api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=fLoWs1gnature-0123456789_abcdef"
FEISHU_PATH = "/open-apis/bot/v2/hook/0a1b2c3d-feed-4abc-8def-0123456789ab"
DING_TOKEN = "d1ngt0ken0123456789abcdef0123456789abcdef0123456789abcdef01234567"
WECOM_KEY = "693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa"
TOPIC = "gpus-n0b0dyguesses"
ROBOT_SECRET = "SECr0b0tsecret0123456789"


@dataclass(frozen=True)
class Adapter:
    table: Callable[[str], dict]
    """The channel's table, given the stand-in's URL."""
    check: Callable[[bytes], list[str]]
    """What the vendor would refuse in a request's body, or in what is printed; empty when it is good."""
    text: Callable[[bytes], str] = lambda body: body.decode()
    """What a person would read of it, with the channel's escapes undone."""
    secrets: tuple[str, ...] = ()
    """Texts that may appear in the request alone."""
    accepted: Answer | None = None
    """How the vendor says yes; None for a channel that sends no HTTP."""
    statuses: Mapping[int, str] | None = None
    """Statuses that mean something else here than in the common table."""

    serve: Callable[[], StandIn] | None = None
    """A stand-in of its own, for a channel that needs more than one request; None where `accepted` is enough."""
    carries: Callable[[Received], bool] = lambda request: request.method != "GET"
    """Whether a request carries the message; others look something up."""
    probe: Answer | None = None
    """How the vendor answers a silent test when all is well; None where it has none, or not over HTTP."""

    capture: Callable[[Callable[[str], object], object, str], bytes] | None = None
    """Sends one message through a server of the channel's own kind, and gives what arrived."""

    def stand_in(self) -> StandIn:
        """The vendor, who accepts."""
        return self.serve() if self.serve is not None else StandIn(self.accepted)

    @property
    def type(self) -> str:
        return self.table("http://127.0.0.1:9")["type"]

    @property
    def http(self) -> bool:
        return self.accepted is not None


def _json_text(body: bytes) -> str:
    return json.dumps(json.loads(body), ensure_ascii=False)


def _webhook_problems(body: bytes) -> list[str]:
    found = [] if len(body) <= MOST_BYTES else [f"{len(body)} bytes"]
    content = json.loads(body)
    return found + [f"the key {key}" for key in content.keys() ^ {"type", "timestamp", "data"}]


def _console_problems(printed: bytes) -> list[str]:
    return [] if len(printed) < 64 * 1024 else [f"{len(printed)} bytes"]


def _slack_text(body: bytes) -> str:
    text = _json_text(body)
    assert not re.search(r"<[!@#]", text), "a mention"
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _discord_text(body: bytes) -> str:
    return re.sub(r"\\\\([*_~|>#\-\[\]()`]|\\\\)", r"\1", _json_text(body))


def _strings(value: object) -> Iterator[str]:
    """Every text of a JSON value, without its keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _texts(body: bytes) -> str:
    return "\n".join(_strings(json.loads(body)))


def _telegram_text(body: bytes) -> str:
    message = json.loads(body)
    return telegram.parsed(message["text"]) if "parse_mode" in message else message["text"]


def _teams_text(body: bytes) -> str:
    return re.sub(r"\\(.)", r"\1", _texts(body).replace("  \n", "\n")).replace("\u00a0", " ")


def _dingtalk_text(body: bytes) -> str:
    message = json.loads(body)
    if "markdown" not in message:
        return message["text"]["content"]
    return unescape(re.sub(r"\\([^\w\s])", r"\1", message["markdown"]["text"]))


def _unlike(text: str) -> str:
    """Undo the signs that stand for others that look alike."""
    return text.translate(str.maketrans("\u2039\u203a\u2217", "<>*"))


def _markdown_text(body: bytes) -> str:
    return unescape(re.sub(r"\\([^\w\s])", r"\1", _texts(body)))


def _captured_mail(build: Callable[[str], object], what: object, key: str) -> bytes:
    with smtp.MailServer() as server:
        build(str(server.port)).send(what, key)
        (content,) = server.bytes
    return content


def _mail_problems(content: bytes) -> list[str]:
    found = [f"a line of {len(line)}" for line in content.split(b"\r\n") if len(line) > 998]
    return found + ([] if content.isascii() else ["not ASCII"]) + (["too long"] if len(content) > 1 << 20 else [])


def _mail_text(content: bytes) -> str:
    mail = message_from_bytes(content, policy=policy.default)
    return f"{mail['Subject']}\n{mail.get_body(('plain',)).get_content()}"


def _previewed(build: Callable[[str], object], what: object, key: str) -> bytes:
    """What Apprise is given; test_apprise sees it arrive, a process for each message."""
    return build("http://127.0.0.1:9").preview(what, key).encode()


ADAPTERS: Mapping[str, Adapter] = {
    "console": Adapter(table=lambda _: {"type": "console"}, check=_console_problems),
    "webhook": Adapter(
        table=lambda url: {
            "type": "webhook", "url": url + SECRET_PATH, "secret": SIGNING,
            "headers": {"X-Api-Key": "header-s3cret", "Authorization": "Bearer bearer-s3cret"},
        },
        check=_webhook_problems,
        text=_json_text,
        secrets=(SECRET_PATH, SIGNING, SIGNING.removeprefix("whsec_"), "header-s3cret", "bearer-s3cret"),
        accepted=Answer(204),
    ),
    "slack": Adapter(
        table=lambda url: {"type": "slack", "url": url + slack.PATH},
        check=slack.problems,
        text=_slack_text,
        secrets=(slack.PATH, slack.PATH.rpartition("/")[2]),
        accepted=Answer(200, body=b"ok"),
        probe=Answer(400, body=b"no_text"),
    ),
    "slack bot": Adapter(
        table=lambda url: {
            "type": "slack", "token": slack_workspace.TOKEN, "channel": slack_workspace.CHANNEL, "base_url": url,
        },
        check=slack_workspace.post_problems,
        text=_slack_text,
        secrets=(slack_workspace.TOKEN,),
        accepted=Answer(200, body=b'{"ok": true, "channel": "C0123456789", "ts": "1700000000.000001"}'),
        probe=Answer(200, body=b'{"ok": true, "team": "Vision", "user": "gpuwarden"}'),
    ),
    "discord": Adapter(
        table=lambda url: {"type": "discord", "url": url + discord.PATH},
        check=discord.problems,
        text=_discord_text,
        secrets=(discord.PATH, discord.PATH.rpartition("/")[2]),
        accepted=Answer(200, body=discord.SAVED),
        probe=Answer(200, body=discord.WEBHOOK),
    ),
    "teams": Adapter(
        table=lambda url: {"type": "teams", "url": f"{url}{FLOW_PATH}?{FLOW_QUERY}"},
        check=partial(faults, teams.Message, most=25_000),
        text=_teams_text,
        secrets=(FLOW_PATH, FLOW_QUERY, FLOW_QUERY.rpartition("=")[2]),
        accepted=Answer(202),
    ),
    "telegram": Adapter(
        table=lambda url: {"type": "telegram", "token": BOT_TOKEN, "chat_id": -100, "base_url": url},
        check=partial(faults, telegram.SendMessage),
        text=_telegram_text,
        secrets=(BOT_TOKEN, BOT_TOKEN.partition(":")[2]),
        accepted=Answer(200, body=b'{"ok": true, "result": {"message_id": 42}}'),
        probe=Answer(200, body=b'{"ok": true, "result": {"id": 1, "username": "gpu_bot"}}'),
    ),
    "ntfy": Adapter(
        table=lambda url: {"type": "ntfy", "url": f"{url}/{TOPIC}", "token": "tk_ntfys3cret"},
        check=partial(faults, ntfy.Publish, most=ntfy.BODY_LIMIT),
        text=_texts,
        secrets=("tk_ntfys3cret", TOPIC),
        accepted=Answer(200, body=b'{"id": "hwQ2YpKdmg", "event": "message"}'),
        probe=Answer(200, body=b'{"healthy": true}'),
    ),
    "feishu": Adapter(
        table=lambda url: {"type": "feishu", "url": url + FEISHU_PATH, "secret": ROBOT_SECRET},
        check=partial(faults, feishu.Message, most=feishu.BODY_LIMIT),
        text=lambda body: _unlike(_texts(body)),
        secrets=(FEISHU_PATH, FEISHU_PATH.rpartition("/")[2], ROBOT_SECRET),
        accepted=Answer(200, body=b'{"code": 0, "data": {}, "msg": "success"}'),
    ),
    "dingtalk": Adapter(
        table=lambda url: {
            "type": "dingtalk", "url": f"{url}/robot/send?access_token={DING_TOKEN}", "secret": ROBOT_SECRET,
        },
        check=partial(faults, dingtalk.Message, most=dingtalk.BODY_LIMIT),
        text=_dingtalk_text,
        secrets=(DING_TOKEN, ROBOT_SECRET),
        accepted=Answer(200, body=b'{"errcode": 0, "errmsg": "ok"}'),
    ),
    "wecom": Adapter(
        table=lambda url: {"type": "wecom", "url": f"{url}/cgi-bin/webhook/send?key={WECOM_KEY}"},
        check=partial(faults, wecom.Message),
        text=lambda body: _unlike(_texts(body)),
        secrets=(WECOM_KEY,),
        accepted=Answer(200, body=b'{"errcode": 0, "errmsg": "ok"}'),
    ),
    "pagerduty": Adapter(
        table=lambda url: {"type": "pagerduty", "routing_key": pagerduty.ROUTING_KEY, "base_url": url},
        check=partial(faults, pagerduty_schema.Event, most=pagerduty_schema.BODY_LIMIT),
        text=_texts,
        secrets=(pagerduty.ROUTING_KEY,),
        accepted=Answer(202, body=b'{"status": "success", "message": "Event processed", "dedup_key": "f"}'),
    ),
    "apprise": Adapter(
        table=lambda url: {"type": "apprise", "url": f"json://{url.partition('://')[2]}{SECRET_PATH}"},
        check=lambda given: [] if len(given) <= 32_000 else [f"{len(given)} bytes"],
        secrets=(SECRET_PATH,),
        capture=_previewed,
    ),
    "alertmanager": Adapter(
        table=lambda url: {"type": "alertmanager", "urls": [url], "bearer_token": "am-b3arer-s3cret"},
        check=partial(faults, alertmanager.Alerts),
        text=_texts,
        secrets=("am-b3arer-s3cret",),
        accepted=Answer(200),
        probe=Answer(200, body=b"{}"),
    ),
    "jira": Adapter(
        table=lambda url: {
            "type": "jira", "url": url, "email": jira.EMAIL, "token": jira.TOKEN, "project": "OPS",
        },
        check=partial(faults, jira_schema.Carrying),
        text=_texts,
        secrets=(jira.TOKEN,),
        accepted=Answer(201),
        statuses={400: SendErrorKind.MISCONFIGURED},
        serve=jira.JiraStandIn,
        carries=lambda request: request.path.endswith(("/issue", "/comment")),
        probe=Answer(200, body=b'{"displayName": "GPU agent", "issueTypes": [{"name": "Task"}]}'),
    ),
    "linear": Adapter(
        table=lambda url: {
            "type": "linear", "api_key": linear.KEY, "team_id": linear.TEAM, "base_url": url,
        },
        check=partial(faults, linear_schema.Carrying),
        text=_markdown_text,
        secrets=(linear.KEY,),
        accepted=Answer(200),
        serve=linear.LinearStandIn,
        carries=lambda request: b"issueCreate" in request.body or b"commentCreate" in request.body,
        probe=Answer(200, body=b'{"data": {"viewer": {"name": "GPU agent"}, "team": {"name": "Vision"}}}'),
    ),
    "notion": Adapter(
        table=lambda url: {
            "type": "notion", "token": notion.TOKEN, "data_source_id": notion.SOURCE, "base_url": url,
        },
        check=partial(faults, notion_schema.Carrying, most=notion_schema.BODY_LIMIT),
        text=_texts,
        secrets=(notion.TOKEN,),
        accepted=Answer(200),
        serve=notion.NotionStandIn,
        carries=lambda request: request.path.endswith(("/pages", "/children")),
        probe=Answer(200, body=b'{"name": "gpuwarden", "properties": {"Name": {"type": "title"}}}'),
    ),
    "email": Adapter(
        table=lambda url: {
            "type": "email", "host": "127.0.0.1", "port": int(url.rpartition(":")[2]), "security": "none",
            "from": "gpu@example.com", "to": ["a@example.com"],
        },
        check=_mail_problems,
        text=_mail_text,
        capture=_captured_mail,
    ),
}  # fmt: skip
