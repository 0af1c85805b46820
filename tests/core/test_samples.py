"""The made-up alerts."""

import json

import pytest

from agent.core import samples
from agent.core.message import compose
from agent.core.model import TYPES, AlertType, NotificationKind, Status
from agent.core.payload import DISK_KEYS, GPU_KEYS, JOB_KEYS, payload
from agent.core.redact import MASK, Redactor

NOW = 1_790_000_000_000
each_type = pytest.mark.parametrize("alert_type", list(AlertType))
each_size = pytest.mark.parametrize("make", [samples.full, samples.minimal])


@each_type
@each_size
def test_a_sample_is_a_test_of_its_type(make, alert_type):
    sample = make(alert_type, "n1", NOW)
    assert (sample.type, sample.test, sample.starts_at) == (alert_type, True, NOW)
    assert sample.status is (Status.FIRING if TYPES[alert_type].condition else Status.EVENT)


@each_type
@each_size
def test_a_sample_can_be_sent(make, alert_type):
    sample = make(alert_type, "n1", NOW)
    message = compose(
        sample, NotificationKind.TEST, now=NOW, reason="test", node="n1", redactor=Redactor()
    )
    body = payload(message.alert, kind=NotificationKind.TEST, reason="test", sent_at=NOW)
    assert json.loads(json.dumps(body, allow_nan=False))["data"]["test"] is True
    assert message.body.startswith("This is a test.")
    assert message.footer.endswith("n1 · test")
    assert MASK not in repr(message), "nothing in a sample may look like a secret"


@each_type
def test_a_full_sample_has_objects_of_the_contract_s_shape(alert_type):
    sample = samples.full(alert_type, "n1", NOW)
    for found, keys in ((sample.job, JOB_KEYS), (sample.gpu, GPU_KEYS), (sample.disk, DISK_KEYS)):
        assert found is None or tuple(found) == keys
    assert sample.message


def test_the_least_sample_has_nothing_that_may_be_missing():
    sample = samples.minimal(AlertType.JOB_FAILED, "n1", NOW)
    assert (sample.job, sample.gpu, sample.disk, sample.evidence, sample.advice, sample.links, sample.message) == (
        None, None, None, (), None, (), ""
    )  # fmt: skip


def test_every_try_has_an_id_of_its_own():
    first, second = (samples.full(AlertType.JOB_FAILED, "n1", at) for at in (NOW, NOW + 1))
    assert first.id != second.id
    assert first.fingerprint == second.fingerprint
