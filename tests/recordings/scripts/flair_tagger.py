"""flair: a tagger on texts made of nothing."""

import random

import flair
import torch
from flair.data import Corpus, Sentence
from flair.datasets import FlairDatapointDataset
from flair.embeddings import OneHotEmbeddings
from flair.models import SequenceTagger
from flair.trainers import ModelTrainer

flair.set_seed(0)
torch.set_num_threads(1)
chance = random.Random(0)


def sentence():
    made = Sentence(" ".join(chance.choices(["paris", "rome", "eats", "sees", "the", "dog"], k=8)))
    for token in made:
        token.add_label("kind", "PLACE" if token.text in {"paris", "rome"} else "OTHER")
    return made


parts = [FlairDatapointDataset([sentence() for _ in range(count)]) for count in (240, 24, 24)]
corpus = Corpus(train=parts[0], dev=parts[1], test=parts[2])
tagger = SequenceTagger(
    OneHotEmbeddings.from_corpus(corpus), corpus.make_label_dictionary("kind"), "kind", hidden_size=16, use_crf=False
)
ModelTrainer(tagger, corpus).train("out", max_epochs=3, mini_batch_size=8, learning_rate=0.1)
