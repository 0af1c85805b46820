import base64
import copy
import json
import time
from urllib.parse import quote, quote_plus

import pytest

from agent.core.redact import Redactor, Secret, cut_home

SLACK = "https://hooks.slack.com/services/T0001/B0002/abcdefghijklmnop"
PASSWORD = 'p&ss w/rd"1'


def test_a_secret_shows_itself_only_when_asked():
    secret = Secret("s3cret")
    shown = f"{secret} {secret!r} {secret!s} {secret:>20} {[secret]} {({'key': secret})}"
    assert "s3cret" not in shown
    assert secret.reveal() == "s3cret"
    assert copy.deepcopy(secret) == secret == Secret("s3cret") != Secret("other")
    assert hash(secret) == hash(Secret("s3cret"))
    assert secret != "s3cret"
    assert Secret("x")
    assert not Secret("")


def test_a_secret_cannot_be_written_as_json():
    with pytest.raises(TypeError):
        json.dumps({"token": Secret("s3cret")})


@pytest.mark.parametrize(
    "form",
    [
        PASSWORD,
        quote(PASSWORD, safe=""),
        quote(PASSWORD),
        quote_plus(PASSWORD),
        json.dumps(PASSWORD)[1:-1],
        base64.b64encode(PASSWORD.encode()).decode().rstrip("=")[:-1],
    ],
    ids=["as it is", "in a query", "in a path", "in a form", "in JSON", "in base64"],
)
def test_a_known_secret_is_found_in_every_form(form):
    assert form not in Redactor([PASSWORD]).clean(f"before {form} after")


@pytest.mark.parametrize("user", ["a", "ab", "abc", "abcd", "user@example.org"])
def test_a_known_password_is_found_in_basic_credentials(user):
    encoded = base64.b64encode(f"{user}:correct-horse".encode()).decode()
    left = Redactor(["correct-horse"]).clean(f"header {encoded}")
    rest = left.removeprefix("header ").replace("***", "")
    assert "***" in left
    assert len(rest) <= len(base64.b64encode(f"{user}:".encode())) + 4


@pytest.mark.parametrize(
    "text",
    [
        f"POST {SLACK} failed",
        "Max retries exceeded with url: /services/T0001/B0002/abcdefghijklmnop (Caused by …)",
        "the token is abcdefghijklmnop",
    ],
)
def test_a_secret_url_is_found_whole_and_in_part(text):
    clean = Redactor([SLACK]).clean(text)
    assert "abcdefghijklmnop" not in clean
    assert "***" in clean


def test_each_of_several_secrets_in_one_value_is_known():
    clean = Redactor(["first-secret second-secret"]).clean("it was second-secret")
    assert clean == "it was ***"


def test_what_a_colon_divides_is_a_secret_by_itself():
    token = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
    assert Redactor([token]).clean("bot 123456789 has AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw") == "bot 123456789 has ***"


def test_a_known_secret_too_short_to_protect_does_not_mask_the_text():
    assert Redactor(["a", ""]).clean("a plain text") == "a plain text"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgres://bob:sekrit@db:5432/runs", "postgres://***@db:5432/runs"),
        ("GET https://host/a/b?sig=abc&sv=1.0#x", "GET https://host/a/b?sig=***&sv=***#x"),
        ("https://hooks.slack.com/workflows/A/B/C?x=1 end", "https://hooks.slack.com/*** end"),
        ("https://discord.com/api/webhooks/123456789/abc-DEF_123", "https://discord.com/api/webhooks/***"),
        ("/bot123456789:AAE-abcdefghijklmnopqrstuvwxyz01234/sendMessage", "/***/sendMessage"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: ***"),
        ("headers: Bearer abc.def-123", "headers: Bearer ***"),
        ("export API_KEY=abc DB=x", "export API_KEY=*** DB=x"),
        ("WANDB_API_KEY: 0123456789abcdef", "WANDB_API_KEY: ***"),
        ('"password": "correct horse", "n": 1', '"password": ***, "n": 1'),
        ("token=abcdefgh1234, x", "token=***, x"),
        ("HF_TOKEN='hf_abcdefghijklmnop'", "HF_TOKEN=***"),
        ("key=0123456789abcdef01", "key=***"),
        ("AKIAABCDEFGHIJKLMNOP", "***"),
        ("push ghp_abcdefghijklmnop1234 now", "push *** now"),
        ("xoxb-1234-5678-abcd", "***"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "***"),
        ("sk-proj-abcdefghijklmnop", "***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc", "***"),
        ("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nb", "a\n***\nb"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE cut off", "***"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text, clean):
    assert Redactor().clean(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total of 79.15 GiB",
        "max_tokens=2048 num_tokens=1000000 tokens/s: 12345.6 pad_token='<pad>' eos_token=</s>",
        "Token indices sequence length is longer than the specified maximum (5000 > 1024)",
        "KeyError: key='model.layers.0.weight'",
        "https://pytorch.org/docs/stable/notes/cuda.html#environment-variables",
        "step 4200/5000 loss=0.0213 lr=1e-05 grad_norm=0.51",
        'File "train.py", line 88, in <module>',
        "task-level disk-usage risk-scores",
    ],
)
def test_what_a_training_log_says_stays(text):
    assert Redactor(["unrelated-secret"]).clean(text) == text


def test_cleaning_twice_changes_nothing_more():
    redactor = Redactor([SLACK, PASSWORD])
    once = redactor.clean(f"{SLACK} password={PASSWORD} token=abcdefgh1234 Authorization: Bearer x postgres://a:b@c/d")
    assert redactor.clean(once) == once


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('File "/home/alice/proj/train.py"', 'File "~/proj/train.py"'),
        ("/home/alice", "~"),
        ("/Users/bob/x:/home/eve/y", "~/x:~/y"),
        ("/nfs/site/home/alice/run.log", "~/run.log"),
        ("file:///home/alice/x", "file://~/x"),
        ("/root/x and /rootfs/y", "~/x and /rootfs/y"),
        ("/data/homework/x ./home/y", "/data/homework/x ./home/y"),
    ],
)
def test_home_folders_are_cut(text, clean):
    assert cut_home(text) == clean


HOSTILE = [
    "a" * 200_000, "eyJaaaaaaaa-" * 16_000, "-----BEGIN PRIVATE KEY----" * 8_000, "/a" * 100_000, 'password="' * 20_000,
    "a://" * 50_000, "?a=" * 60_000, "x_token " * 25_000, "http://" + "a@" * 100_000, "/home/" * 33_000,
    "token_" * 33_000, "-" * 200_000, "key " * 50_000, "1" * 200_000, " \t" * 100_000, "authorization" * 15_000,
    "bearer " * 28_000, "\x1b[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=[text[:12] for text in HOSTILE])
def test_time_is_linear_on_hostile_text(text):
    redactor = Redactor([SLACK, PASSWORD])

    def seconds(part):
        start = time.process_time()
        cut_home(redactor.clean(part))
        return time.process_time() - start

    quarter = min(seconds(text[: len(text) // 4]) for _ in range(2))
    assert seconds(text) < 0.2 + 10 * quarter, "four times the text took far more than four times as long"
