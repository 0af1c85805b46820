import pytest
from pydantic import ValidationError

from agent.core.facts import FindingKind
from agent.sources.logs.settings import Config, problems, remarks


def test_every_key_has_a_default():
    config = Config()
    assert (config.enabled, config.paths, config.start, config.max_line) == (True, (), "end", 8_192)
    assert (config.signatures, config.progress) == ((), ())


def test_sizes_and_homes_are_read_as_people_type_them(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    config = Config(max_line="4KiB", paths=["~/runs/*.log", "/data//x.log"])
    assert config.max_line == 4_096
    assert config.paths == ("/home/someone/runs/*.log", "/data/x.log")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"paths": ["runs/*.log"]}, "found 'runs/\\*.log', expected an absolute path or pattern"),
        ({"paths": ["/data/"]}, "expected the path of a file, or a pattern such as"),
        ({"max_line": "1MiB"}, "less than or equal to 65536"),
        ({"max_line": "wide"}, "'wide' is no size"),
        ({"start": "middle"}, "'end' or 'beginning'"),
        ({"colour": 1}, "Extra inputs are not permitted"),
        ({"signatures": [{"id": "a", "pattern": "x("}]}, r"signature 'a': the pattern does not compile: .* position 1"),
        ({"signatures": [{"id": "a", "pattern": "x*"}]}, "signature 'a': the pattern matches an empty line"),
        ({"signatures": [{"id": "a b", "pattern": "x"}]}, "should match pattern"),
        ({"signatures": [{"id": "a", "pattern": "x", "kind": "boom"}]}, "'gpu_oom', 'host_oom'"),
        ({"signatures": [{"id": "a", "pattern": "x", "severity": "bad"}]}, "'info', 'warning' or 'critical'"),
        ({"signatures": [{"id": "a", "pattern": "x"}] * 2}, "found signature 'a' twice"),
        ({"progress": [{"id": "a", "pattern": r"\d+"}]}, "progress 'a': expected named groups"),
        ({"progress": [{"id": "a", "pattern": r"(?P<step>\d"}]}, "progress 'a': the pattern does not compile"),
    ],
)
def test_bad_settings_are_refused_with_the_reason(settings, message):
    with pytest.raises(ValidationError, match=message):
        Config(**settings)


def test_a_signature_without_a_kind_is_a_crash():
    (signature,) = Config(signatures=[{"id": "a", "pattern": "x"}]).signatures
    assert signature.built().kind is FindingKind.CRASH


def test_a_path_that_is_a_directory_is_a_problem(tmp_path):
    config = Config(paths=[str(tmp_path / "*.log"), str(tmp_path), str(tmp_path / "later.log")])
    assert list(problems(config)) == [("sources.logs.paths[1]", f"{tmp_path} is a directory, expected a log file")]


def test_a_pattern_that_cannot_be_searched_for_is_remarked_on():
    config = Config(signatures=[{"id": "plain", "pattern": "x"}, {"id": "hard", "pattern": "(?:a{1,40000}){2}b"}])
    ((place, text),) = remarks(config)
    assert place == "sources.logs.signatures[1]"
    assert text.startswith("hard is tried only on lines that other signatures point to: ")
