"""sentence-transformers: its trainer on a model made of nothing."""

import time

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.losses import CosineSimilarityLoss
from sentence_transformers.models import Pooling, Transformer
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, TrainerCallback, set_seed

import words


class Pace(TrainerCallback):
    def on_step_end(self, *_, **__):
        time.sleep(0.08)


set_seed(0)
torch.set_num_threads(1)
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=words.tokenizer(), pad_token="<pad>", cls_token="<eos>", sep_token="<eos>", unk_token="<unk>"
)
tokenizer.save_pretrained("encoder")
sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained("encoder")
encoder = Transformer("encoder", max_seq_length=32)
model = SentenceTransformer(modules=[encoder, Pooling(16)], device="cpu")
texts = words.texts(256)
data = Dataset.from_dict({"sentence1": texts[:128], "sentence2": texts[128:], "score": [index / 128 for index in range(128)]})
trainer = SentenceTransformerTrainer(
    model,
    SentenceTransformerTrainingArguments(
        "out", num_train_epochs=2, per_device_train_batch_size=8, logging_steps=4, report_to=[], use_cpu=True,
        save_strategy="no",
    ),
    train_dataset=data,
    loss=CosineSimilarityLoss(model),
    callbacks=[Pace()],
)
trainer.train()
