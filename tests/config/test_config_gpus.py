"""`[sources.gpu]`: rules and Xids by name and number, and what is said of those that make no sense."""

import pytest

from agent import app
from agent.config.errors import ConfigError
from agent.config.load import load
from agent.core.gpu_rules import RULES
from agent.core.model import Severity
from agent.gpus import policy_of
from agent.sources.gpu.settings import Config


def loaded(text, tmp_path, **environ):
    config = tmp_path / "config.toml"
    config.write_text(text)
    return load(config=config, state_dir=tmp_path, environ={"HOME": "/", **environ}, schema=app.schema())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[sources.gpu.rules.temprature]\nthreshold = 80", '.temprature: unknown key; did you mean "temperature"?'),
        ("[sources.gpu.rules.temperature]\nlimit = 80", "2: sources.gpu.rules.temperature.limit: unknown key"),
        ("[sources.gpu.rules.gpu_lost]\nthreshold = 1", "found a threshold for rule 'gpu_lost', expected none"),
        ("[sources.gpu.rules.temperature]\nclear = 95", "found clear 95 for rule 'temperature', expected at most"),
        ("[sources.gpu.rules.temperature]\nfor = 'soon'", "sources.gpu.rules.temperature.for: "),
        ("[sources.gpu.xid]\n79 = 'fatal'", '2: sources.gpu.xid.79: found "fatal", expected one of info, warning'),
        ("[sources.gpu.xid]\nbad = 'info'", "sources.gpu.xid.bad: unknown key; expected a whole number"),
        ("[sources.gpu]\ninterval = '2m'", "found slow_interval 60 s below interval 120 s"),
        ("[sources.gpu]\nexpected_count = -1", "2: sources.gpu.expected_count: found -1, expected at least 0"),
        ("[sources.kernel]\npath = 'kmsg'", '2: sources.kernel.path: found "kmsg", expected an absolute path'),
        ("[sources.kernel]\nenabled = 'maybe'", "sources.kernel.enabled: "),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_with_its_place(text, told, tmp_path):
    with pytest.raises(ConfigError) as caught:
        loaded(text, tmp_path)

    (problem,) = caught.value.problems
    assert told in str(problem)


def test_what_the_user_says_reaches_the_rules(tmp_path):
    text = '[sources.gpu]\nexpected_count = 8\n[sources.gpu.rules.temperature]\nthreshold = 70\nfor = "1m"\n'
    text += 'keep_firing_for = "5m"\nseverity = "critical"\n[sources.gpu.xid]\n13 = "critical"\n'
    config = loaded(text, tmp_path, GPUWARDEN_SOURCES__GPU__XID__31="warning").settings.source("gpu", Config)
    found = policy_of(config)

    rule = found.rules["temperature"]
    assert (rule.threshold, rule.clear, rule.for_ms, rule.keep_ms) == (70, 68, 60_000, 300_000)
    assert (rule.severity, found.expected) == (Severity.CRITICAL, 8)
    assert found.xids == {13: Severity.CRITICAL, 31: Severity.WARNING}
    assert found.rules["gpu_lost"] == RULES["gpu_lost"]
