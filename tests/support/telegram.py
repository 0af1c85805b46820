"""Telegram's Bot API as its documentation tells of it: chats move, topics close, and markup is parsed."""

import json

from tests.channels.schemas.base import faults
from tests.channels.schemas.telegram import SendMessage, faults_of_markup
from tests.support.standin import Answer, Received, StandIn

TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
GROUP = -4012345678


class TelegramStandIn(StandIn):
    """Takes `sendMessage` for the bot of `TOKEN`, unless told to give another answer; remembers what is shown."""

    ACCEPT = Answer(299)
    """Stands for the answer that Telegram would give."""

    def __init__(self, *answers: Answer) -> None:
        self.shown: list[dict] = []
        self._moved: dict[int, int] = {}
        self._closed: set[int] = set()
        super().__init__(*(answers or (self.ACCEPT,)))

    def migrate(self, chat: int, new: int) -> None:
        """The group becomes a supergroup."""
        self._moved[chat] = new

    def close_topic(self, topic: int) -> None:
        self._closed.add(topic)

    def _take(self, request: Received) -> Answer:
        answer = super()._take(request)
        return self._judged(request) if answer is self.ACCEPT else answer

    def _judged(self, request: Received) -> Answer:
        if request.path != f"/bot{TOKEN}/sendMessage":
            return _refusal(404, "Not Found")
        message = json.loads(request.body)
        moved = self._moved.get(message["chat_id"])
        if moved is not None:
            text = "Bad Request: group chat was upgraded to a supergroup chat"
            return _refusal(400, text, {"migrate_to_chat_id": moved})
        if message.get("message_thread_id") in self._closed:
            return _refusal(400, "Bad Request: message thread not found")
        if message.get("parse_mode") and any(faults_of_markup(message["text"])):
            return _refusal(400, "Bad Request: can't parse entities")
        if found := faults(SendMessage, request.body):
            return _refusal(400, f"Bad Request: {found[0]}")
        self.shown.append(message)
        return Answer(200, body=json.dumps({"ok": True, "result": {"message_id": len(self.shown)}}).encode())


def _refusal(code: int, description: str, parameters: dict | None = None) -> Answer:
    said = {"ok": False, "error_code": code, "description": description}
    return Answer(code, body=json.dumps(said | ({"parameters": parameters} if parameters else {})).encode())
