"""Secrets are read from where they stand, and shown nowhere."""

import traceback

import pytest

from agent.config.errors import ConfigError
from agent.config.secrets import Found

URL = "https://hooks.slack.com/services/T000/B000/abcdefghijklmnop"


def slack(url, more=""):
    return f"[channels.ops]\ntype = 'slack'\nurl = {url}\n{more}"


def revealed(loaded):
    return loaded.settings.channels["ops"].url.reveal()


def test_a_secret_from_the_environment(place):
    loaded = place.load(slack("{ env = 'OPS_URL' }"), OPS_URL=URL)
    assert revealed(loaded) == URL
    assert loaded.secrets == (URL,)
    assert loaded.secret_files == {}


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_from_a_file_loses_its_line_end(place, tmp_path, end):
    file = tmp_path / "url"
    file.write_bytes((URL + end).encode())
    loaded = place.load(slack(f"{{ file = '{file}' }}"))
    assert revealed(loaded) == URL
    assert loaded.secret_files == {file: ("ops",)}


def test_a_systemd_credential(place, tmp_path):
    (tmp_path / "ops").write_text(URL)
    loaded = place.load(slack("{ credential = 'ops' }"), CREDENTIALS_DIRECTORY=str(tmp_path))
    assert revealed(loaded) == URL
    assert loaded.secret_files == {tmp_path / "ops": ("ops",)}


def test_a_variable_may_hold_a_secret_or_say_where_it_is(place):
    text = slack("'https://hooks.slack.com/services/old'")
    assert revealed(place.load(text, GPUWARDEN_CHANNELS__OPS__URL=URL)) == URL
    assert revealed(place.load(text, GPUWARDEN_CHANNELS__OPS__URL='{ env = "X" }', X=URL)) == URL


def test_a_secret_that_a_higher_layer_replaces_is_not_read(place):
    loaded = place.load(slack("{ file = '/does/not/exist' }"), GPUWARDEN_CHANNELS__OPS__URL=URL)
    assert revealed(loaded) == URL
    assert loaded.secrets == (URL,)


def test_labels_are_no_secrets(place):
    loaded = place.load("[agent]\nlabels = { env = 'prod' }")
    assert loaded.settings.agent.labels == {"env": "prod"}
    assert loaded.secrets == ()


def test_headers_are_secrets_one_by_one(place):
    headers = "headers = { env = 'a-value', X-Key = { env = 'KEY' } }"
    text = f"[channels.ops]\ntype = 'webhook'\nurl = 'https://example.com/'\n{headers}"
    loaded = place.load(text, KEY="from-environment")
    assert {name: value.reveal() for name, value in loaded.settings.channels["ops"].headers.items()} == {
        "env": "a-value",
        "X-Key": "from-environment",
    }


def test_only_secrets_in_the_users_own_file_count_as_inline(place):
    loaded = place.load(slack(f"'{URL}'"), GPUWARDEN_HTTP__PROXY="http://user:pass@proxy:3128")
    assert loaded.inline_secrets == (("channels", "ops", "url"),)
    assert set(loaded.secrets) == {URL, "http://user:pass@proxy:3128"}


def test_a_proxys_secret_file_concerns_every_channel(place, tmp_path):
    file = tmp_path / "proxy"
    file.write_text("http://user:pass@proxy:3128")
    text = f"[http]\nproxy = {{ file = '{file}' }}\n[channels.b]\ntype = 'console'\n[channels.a]\ntype = 'console'"
    assert place.load(text).secret_files == {file: ("a", "b")}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("{ env = 'NOT_SET' }", "the environment variable NOT_SET is not set, expected it to hold the secret"),
        ("{ env = 'EMPTY' }", "the environment variable EMPTY is empty, expected it to hold the secret"),
        ("{ file = '/does/not/exist' }", "the secret file /does/not/exist cannot be read: No such file or directory"),
        ("{ file = '/' }", "the secret file / cannot be read: Is a directory; expected a file that this user may read"),
        ("{ credential = 'x' }", 'the systemd credential "x" is not available: $CREDENTIALS_DIRECTORY is not set'),
        ("{ fil = '/x' }", "found a table with the keys fil, expected a text, { env ="),
        ("{ file = '/x', env = 'X' }", "found a table with the keys file, env, expected a text"),
        ("{ file = 3 }", 'found no text after "file =", expected a text'),
        ("5", "found a number, expected a text, { env ="),
        ("[]", "found a list, expected a text, { env ="),
    ],
)
def test_a_secret_that_cannot_be_had(place, url, told):
    with pytest.raises(ConfigError) as caught:
        place.load(slack(url), EMPTY="")
    assert str(caught.value).startswith(f"{place.config}:3: channels.ops.url: {told}")
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"\xff\xfe", "is not UTF-8 text"), (b"x" * 70_000, "is larger than")],
)
def test_a_secret_file_that_holds_no_secret(place, tmp_path, content, told):
    file = tmp_path / "url"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"the secret file {file} {told}"):
        place.load(slack(f"{{ file = '{file}' }}"))


def test_a_credentials_name_stays_in_its_folder(place, tmp_path):
    with pytest.raises(ConfigError, match='expected a name without "/"'):
        place.load(slack("{ credential = '../x' }"), CREDENTIALS_DIRECTORY=str(tmp_path))


HUSH = "hush-7f3a9c-do-not-tell"


@pytest.mark.parametrize(
    "text",
    [
        slack(f"'http://example.com/{HUSH}'"),
        slack(f"['{HUSH}']"),
        slack("'https://example.com/x'", f"hidden = '{HUSH}'"),
        slack("'https://example.com/x'", f"min_severity = {{ a = '{HUSH}' }}"),
        f"[channels.ops]\ntype = 'webhook'\nurl = 'https://example.com/'\nsecret = '{HUSH}'",
        f"[channels.ops]\ntype = 'webhook'\nurl = 'https://example.com/'\nheaders = '{HUSH}'",
        f"[channels.ops]\ntype = 'webhook'\nurl = 'https://example.com/'\nheaders = {{ Host = '{HUSH}' }}",
        f"[http]\nproxy = 'https://user:{HUSH}@proxy'",
        f"[http]\nproxy = {{ word = '{HUSH}' }}",
    ],
)
def test_no_error_shows_a_secret(place, text):
    with pytest.raises(ConfigError) as caught:
        place.load(text)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.problems)
    assert HUSH not in shown
    assert "expected" in str(caught.value)


def test_no_repr_shows_a_secret(place):
    loaded = place.load(slack(f"'https://example.com/{HUSH}'"))
    assert HUSH in revealed(loaded)
    assert HUSH not in repr(loaded) + str(loaded.settings) + repr(loaded.settings) + loaded.settings.model_dump_json()
    assert HUSH not in repr(Found(("a",), HUSH))
