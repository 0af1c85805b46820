import pytest

from agent.core.command_line import LIMIT, shown
from agent.core.redact import Redactor


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("python train.py --lr 0.1 --model m", "python train.py --lr 0.1 --model m"),
        ("t.py --api-key sk123 --lr 1", "t.py --api-key *** --lr 1"),
        ("t.py --wandb_api_key=0123 trainer.hub_token=abc", "t.py --wandb_api_key=*** trainer.hub_token=***"),
        ("t.py --password hunter2 -v", "t.py --password *** -v"),
        ("t.py tokenizer.json --tokenizer x --num_tokens 5", "t.py tokenizer.json --tokenizer x --num_tokens 5"),
        ("t.py https://me:pw@host/x", "t.py https://***@host/x"),
    ],
)
def test_secrets_are_masked(line, told):
    assert shown(line.split(), Redactor()) == told


def test_secrets_of_the_configuration_are_masked_and_length_is_bounded():
    text = shown(["t.py", "verysecretvalue", "x" * 1_000], Redactor())
    assert len(text) == LIMIT
