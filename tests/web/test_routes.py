import logging
import queue
import threading
from logging.handlers import QueueHandler

import pytest

from agent.core.clock import DAY, HOUR
from agent.core.model import AlertType
from agent.core.record import HistoryQuery
from agent.store.errors import StoreError
from tests.web.conftest import PATIENCE


def error_of(response):
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"code", "message", "field"}
    return response.status_code, error["code"], error["field"]


def test_health_follows_the_view(client, view):
    assert (client.get("/healthz").status_code, client.get("/healthz").json()) == (200, {"healthy": True})
    view.alive = False
    assert client.get("/healthz").status_code == 503


def test_ready_says_why_not(client, view):
    assert client.get("/readyz").json() == {"ready": True, "reasons": []}
    view.reasons = ["the store is locked", "the evaluator has not finished a round"]
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"ready": False, "reasons": view.reasons}


@pytest.mark.parametrize(
    ("accept", "page", "media_type"),
    [
        ("*/*", "plain 1\n", "text/plain"),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "om 1\n", "application/openmetrics-text"),
    ],
)
def test_metrics_come_in_the_format_that_the_scraper_takes(client, accept, page, media_type):
    response = client.get("/metrics", headers={"Accept": accept})
    assert (response.text, response.headers["content-type"]) == (page, media_type)


def test_status_is_passed_on(client):
    assert client.get("/api/status").json() == {"jobs": []}


def test_history_without_parameters_is_the_last_day(client, view):
    assert client.get("/api/alerts/history").json() == {"alerts": [{"id": "a-1"}]}
    assert view.asked == [HistoryQuery(since=DAY, limit=100)]


def test_history_takes_the_commands_filters(client, view):
    client.get("/api/alerts/history?since=2h&type=gpu_oom&job=job-1&channel=ops&limit=5")
    assert view.asked == [HistoryQuery(2 * HOUR, AlertType.GPU_OOM, "job-1", "ops", 5)]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"), ("type=fire", "type"), ("limit=0", "limit"), ("limit=10001", "limit"),
        ("limit=-1", "limit"), ("limit=9" + "9" * 5_000, "limit"), ("limit=%D9%A3", "limit"), ("chanel=ops", "chanel"),
    ],
)  # fmt: skip
def test_a_bad_parameter_is_named(client, view, query, field):
    assert error_of(client.get(f"/api/alerts/history?{query}")) == (400, "bad_parameter", field)
    assert view.asked == []


def test_explain_finds_the_alert_or_says_that_there_is_none(client):
    assert client.get("/api/alerts/a-1/explain").json()["id"] == "a-1"
    assert error_of(client.get("/api/alerts/a-2/explain")) == (404, "not_found", "id")


@pytest.mark.parametrize("path", ["/", "/nothing", "/metrics/", "/api/nothing", "/api/alerts//explain"])
def test_an_unknown_path_is_not_found(client, path):
    assert error_of(client.get(path)) == (404, "not_found", None)


def test_another_method_is_refused_with_those_allowed(client):
    response = client.post("/healthz", content=b"x")
    assert error_of(response) == (405, "method_not_allowed", None)
    assert "GET" in response.headers["allow"]


def test_a_store_that_refuses_is_a_passing_trouble(client, view):
    view.error = StoreError("the database is locked")
    assert error_of(client.get("/api/status")) == (503, "store_unavailable", None)


@pytest.fixture
def logged():
    """What the server logs, as it comes: it does so only after it has answered."""
    records = queue.Queue()
    handler = QueueHandler(records)
    logging.getLogger("uvicorn.error").addHandler(handler)
    yield records
    logging.getLogger("uvicorn.error").removeHandler(handler)


def test_a_fault_is_logged_and_its_text_kept_from_the_client(client, view, logged):
    view.error = ZeroDivisionError("hunter2")
    response = client.get("/api/status")
    assert error_of(response) == (500, "internal", None)
    assert "hunter2" not in response.text
    assert "ZeroDivisionError: hunter2" in logged.get(timeout=PATIENCE).getMessage()


def test_health_answers_while_the_store_hangs(client, view):
    let_go = threading.Event()
    entered = threading.Semaphore(0)

    def hang():
        entered.release()
        let_go.wait(PATIENCE)
        return {}

    view.status = hang
    callers = [threading.Thread(target=client.get, args=("/api/status",)) for _ in range(3)]
    for caller in callers:
        caller.start()
    assert entered.acquire(timeout=PATIENCE)
    assert client.get("/healthz").status_code == 200
    let_go.set()
    for caller in callers:
        caller.join(PATIENCE)


def test_answers_are_not_kept_or_guessed_at(client):
    for path in ("/healthz", "/metrics", "/api/status", "/nothing"):
        headers = client.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers
        assert "date" in headers
