"""A vocabulary and texts made of nothing, so that no model and no data set has to be fetched."""

import random

from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = [f"{first}{last}" for first in ("ka", "mo", "ti", "re", "lu", "so", "na", "pe") for last in ("n", "r", "st", "l", "mi")]


def tokenizer():
    vocabulary = {word: index for index, word in enumerate(["<pad>", "<eos>", "<unk>", *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made


def texts(count):
    chance = random.Random(0)
    return [" ".join(chance.choices(WORDS, k=chance.randint(8, 24))) for _ in range(count)]
