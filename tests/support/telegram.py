"""Telegram's Bot API as its documentation tells of it: chats move, topics close, and markup is parsed."""

import json

from tests.channels.schemas.base import faults
from tests.channels.schemas.telegram import SendMessage, faults_of_markup
from tests.support.forms import Part, form
from tests.support.standin import Answer, Received, StandIn

TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
GROUP = -4012345678


class TelegramStandIn(StandIn):
    """Answers to the bot of `TOKEN`, which is in one `GROUP`, unless told otherwise; remembers what is shown."""

    ACCEPT = Answer(299)
    """Stands for the answer that Telegram would give."""

    def __init__(self, *answers: Answer) -> None:
        self.shown: list[dict] = []
        self.photos: list[tuple[dict[str, str], bytes]] = []
        """The fields of each photo, and the photo."""
        self.takes_photos = True
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
        match request.path.removeprefix(f"/bot{TOKEN}/"):
            case "sendMessage":
                return self._message(request)
            case "sendPhoto":
                return self._photo(form(request))
            case "getMe":
                return _given({"id": 1, "is_bot": True, "username": "gpu_bot"})
            case path if path == f"getChat?chat_id={GROUP}":
                return _given({"id": GROUP, "type": "group", "title": "GPU alerts"})
            case path if path.startswith("getChat?"):
                return _refusal(400, "Bad Request: chat not found")
        return _refusal(404, "Not Found")

    def _message(self, request: Received) -> Answer:
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
        return _given({"message_id": len(self.shown)})


    def _photo(self, parts: dict[str, Part]) -> Answer:
        if not self.takes_photos or parts["photo"].type != "image/png" or not parts["photo"].filename:
            return _refusal(400, "Bad Request: IMAGE_PROCESS_FAILED")
        fields = {name: part.content.decode() for name, part in parts.items() if name != "photo"}
        self.photos.append((fields, parts["photo"].content))
        return _given({"message_id": 1_000 + len(self.photos)})


def _given(result: dict) -> Answer:
    return Answer(200, body=json.dumps({"ok": True, "result": result}).encode())


def _refusal(code: int, description: str, parameters: dict | None = None) -> Answer:
    said = {"ok": False, "error_code": code, "description": description}
    return Answer(code, body=json.dumps(said | ({"parameters": parameters} if parameters else {})).encode())
