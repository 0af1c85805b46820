import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from agent.channels.shared.base import CommonConfig, SecretText, UrlConfig, links
from agent.core.model import AlertType, Link, Severity
from agent.core.redact import Secret
from tests.channels.samples import FAILED, message

URL = "https://receiver.example/s3cret"


class Example(UrlConfig):
    token: SecretText | None = None


def config(**table):
    return Example.model_validate({"type": "example", "url": URL, **table})


def test_the_defaults_are_the_contracts():
    made = config()
    assert made.enabled
    assert made.alerts is None
    assert made.min_severity is Severity.INFO
    assert (dict(made.match), made.timeout, made.allow_insecure) == ({}, 15.0, False)
    assert made.base_url is made.link is None
    assert not any((made.STATEFUL, made.PROGRAM, made.IDEMPOTENT))


def test_values_are_read_as_users_write_them():
    made = config(alerts=["job_failed", "gpu_oom"], min_severity="warning", timeout="1m", match={"team": "a"})
    assert made.alerts == (AlertType.JOB_FAILED, AlertType.GPU_OOM)
    assert (made.min_severity, made.timeout) == (Severity.WARNING, 60.0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("colour", "red"), ("alerts", ["job_exploded"]), ("min_severity", "loud"), ("min_severity", 2),
        ("timeout", "soon"), ("timeout", 0), ("timeout", "1h"), ("base_url", "http://far.example"),
        ("base_url", "https://far.example/?x=1"), ("link", "javascript:alert(1)"), ("token", ""), ("token", 7),
        ("url", "http://far.example/s3cret"), ("url", None),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_at_its_key_without_showing_a_secret(key, value):
    with pytest.raises(ValidationError) as caught:
        config(**{key: value})
    (error,) = caught.value.errors(include_input=False, include_context=False)
    assert error["loc"][0] == key
    assert "s3cret" not in str(caught.value)


def test_secrets_are_hidden_in_every_form_of_the_settings():
    made = config(token="s3cret-token")
    shown = f"{made} {made!r} {made.model_dump()} {made.model_dump_json()}"
    assert "s3cret" not in shown
    assert json.loads(made.model_dump_json())["url"] == "***"
    assert made.token == Secret("s3cret-token")
    assert made.address == URL


def test_the_schema_takes_a_secret_as_text_or_by_reference():
    found = Example.model_json_schema()["properties"]
    text, reference = found["url"]["anyOf"]
    assert text == {"type": "string"}
    assert set(reference["properties"]) == {"env", "file", "credential"}
    assert found["min_severity"]["enum"] == ["info", "warning", "critical"]


def test_a_base_url_replaces_the_host_and_decides_what_is_insecure():
    made = config(base_url="http://127.0.0.1:9/prefix/")
    assert made.address == "http://127.0.0.1:9/prefix/s3cret"
    assert config(url="http://far.example/s3cret", allow_insecure=True).address == "http://far.example/s3cret"


@pytest.mark.parametrize(
    ("template", "job", "expected"),
    [
        (None, "job-1", ()),
        ("https://runs.example/{job_id}", "job-1", (Link("View details", "https://runs.example/job-1"),)),
        ("https://runs.example/?j={job_id}", "a/b&c", (Link("View details", "https://runs.example/?j=a%2Fb%26c"),)),
        ("https://runs.example/{job_id}", None, ()),
        ("https://runs.example/all", None, (Link("View details", "https://runs.example/all"),)),
    ],
)
def test_the_link_of_a_channel_names_the_job(template, job, expected):
    alert = replace(FAILED, job_id=job, links=())
    assert links(message(alert), template) == expected


def test_common_keys_have_one_home():
    assert set(UrlConfig.model_fields) == {*CommonConfig.model_fields, "url"}
