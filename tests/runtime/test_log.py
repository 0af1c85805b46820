import io
import json
import logging
import re
import threading

import pytest

from agent.runtime.log import Format, QueuedHandler, event, setup
from agent.runtime.log_format import as_text, entry_of
from tests.runtime.doubles import PATIENCE

SECRET = 'T0P"\n\\secret'
logger = logging.getLogger("agent.test")


def clean(text):
    return text.replace(SECRET, "***")


def logged(act, form=Format.TEXT, level="debug"):
    """Everything that was written while `act` ran."""
    stream = io.StringIO()
    handle = setup(level, form, clean, stream)
    try:
        act()
    finally:
        handle.close()
    assert handle.dropped == 0
    return stream.getvalue()


def test_a_line_says_when_how_bad_who_and_what():
    line = logged(lambda: event(logger, logging.INFO, "delivered", channel="ops", attempt=2, delay=0.5, ref=None))
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    agent\.test: "
        r"delivered channel=ops attempt=2 delay=0\.5 ref=null\n",
        line,
    )


def test_a_value_that_is_no_plain_word_is_quoted_and_stays_on_the_line():
    line = logged(lambda: event(logger, logging.INFO, "a\x1b[31m b\n", path="/a b", text="x\ny", empty="", é="ü"))
    assert line.endswith('a\\x1b[31m b\\x0a path="/a b" text="x\\ny" empty="" é="ü"\n')


def test_json_holds_the_same():
    def act():
        event(logger, logging.WARNING, "delivered", channel="ops", level="x", parts={"a": (1, None)}, what=Format.TEXT)

    entry = json.loads(logged(act, Format.JSON))
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "warning", "logger": "agent.test", "thread": "MainThread", "message": "delivered", "channel": "ops",
        "parts": {"a": [1, None]}, "what": "text",
    }  # fmt: skip


@pytest.mark.parametrize("form", list(Format))
def test_secrets_are_taken_out_of_messages_fields_and_tracebacks(form):
    def act():
        logger.warning("posting to %s", SECRET)
        event(logger, logging.INFO, f"token {SECRET}", url=f"https://x/{SECRET}", deep=[{SECRET: SECRET}])
        try:
            int(f"bad token {SECRET}"[0])
        except ValueError as error:
            error.add_note(f"bad token {SECRET}")
            event(logger, logging.ERROR, "failed", error=error)

    text = logged(act, form)
    assert "secret" not in text
    assert text.count("***") >= 6
    assert "Traceback (most recent call last)" in text


def test_a_traceback_keeps_its_lines_and_loses_its_controls():
    def act():
        try:
            int("x")
        except ValueError as error:
            error.add_note("red \x1b[31m")
            logger.exception("failed")

    text = logged(act)
    assert '\n    int("x")\n' in text
    assert text.endswith("\nred \\x1b[31m\n")


def test_a_format_that_does_not_fit_loses_nothing_but_its_arguments():
    record = logging.makeLogRecord({"msg": "%d of %d", "args": (1,), "levelname": "INFO"})
    assert entry_of(record, clean).message == "%d of %d (its arguments do not fit)"


def test_the_level_is_that_of_our_own_loggers_alone():
    def act():
        event(logger, logging.DEBUG, "left out")
        event(logger, logging.INFO, "kept")
        logging.getLogger("httpx").info("POST https://hooks.example.com/secret")
        logging.getLogger("httpx").warning("kept too")

    lines = logged(act, level="info").splitlines()
    assert [line.partition(": ")[2] for line in lines] == ["kept", "kept too"]


def test_the_level_can_change_while_it_runs():
    stream = io.StringIO()
    handle = setup("error", Format.TEXT, clean, stream)
    event(logger, logging.INFO, "left out")
    handle.set_level("info")
    event(logger, logging.INFO, "kept")
    handle.close()
    assert stream.getvalue().count("\n") == 1


class Stuck(io.StringIO):
    """A terminal that takes nothing until it is let go."""

    def __init__(self):
        super().__init__()
        self.entered, self.go_on = threading.Event(), threading.Event()

    def write(self, text):
        self.entered.set()
        self.go_on.wait(PATIENCE)
        return super().write(text)


def test_a_stream_that_blocks_costs_lines_and_no_time():
    stream = Stuck()
    handler = QueuedHandler(as_text, clean, stream, size=2)
    record = logging.makeLogRecord({"msg": "x", "name": "agent.test", "levelname": "INFO"})
    handler.handle(record)
    assert stream.entered.wait(PATIENCE)
    for _ in range(5):
        handler.handle(record)
    assert handler.dropped == 3
    stream.go_on.set()
    handler.close()
    assert stream.getvalue().count("\n") == 3


def test_lines_that_cannot_be_written_are_counted():
    stream = io.StringIO()
    handler = QueuedHandler(as_text, clean, stream)
    stream.close()
    handler.handle(logging.makeLogRecord({"msg": "x", "levelname": "INFO"}))
    handler.close()
    assert handler.dropped == 1
