"""Hugging Face Trainer on a tiny random model; `--with` says what else is to happen."""

import argparse
import logging
import os
import signal
import time

import torch
from datasets import Dataset
from transformers import (
    DataCollatorForLanguageModeling,
    EarlyStoppingCallback,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.utils import logging as hf_logging

import words

parser = argparse.ArgumentParser()
parser.add_argument("--with", dest="also", nargs="*", default=[])
parser.add_argument("--steps", type=int, default=40)
parser.add_argument("--at", type=int, default=17)
parser.add_argument("--pace", type=float, default=0.08)
parser.add_argument("--out", default="out")
args = parser.parse_args()

if "SHORTAGE_AT" in os.environ or "SHORTAGE_ABOVE" in os.environ:
    import shortage
if "info" in args.also:
    logging.basicConfig(level=logging.INFO)
    hf_logging.set_verbosity_info()


class Pace(TrainerCallback):
    def on_step_end(self, arguments, state, control, **_):
        time.sleep(args.pace)


class Model(GPT2LMHeadModel):
    calls = 0

    def forward(self, input_ids=None, attention_mask=None, labels=None, **named):
        output = super().forward(input_ids, attention_mask=attention_mask, labels=labels, **named)
        if self.training:
            Model.calls += 1
        if "nan" in args.also and Model.calls > args.at:
            output["loss"] = output["loss"] * float("nan")
        if "nan-once" in args.also and Model.calls == args.at:
            output["loss"] = output["loss"] + float("nan")  # the gradient stays finite
        if "exception" in args.also and Model.calls == args.at:
            output["logits"].view(-1, 12_345)
        if "killed" in args.also and Model.calls == args.at and os.environ.get("RANK", "1") == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return output


set_seed(0)
torch.set_num_threads(1)
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words.tokenizer(), pad_token="<pad>", eos_token="<eos>")
texts = Dataset.from_dict({"text": words.texts(args.steps * 4)})
if "many" in args.also:
    texts = Dataset.from_dict({"text": words.texts(60_000)})
data = texts.map(lambda row: tokenizer(row["text"], truncation=True, max_length=24), remove_columns=["text"], batched="many" not in args.also)
if "many" in args.also:
    data = data.filter(lambda row: len(row["input_ids"]) > 3).select(range(args.steps * 4))
model = Model(GPT2Config(vocab_size=len(tokenizer), n_positions=32, n_embd=16, n_layer=2, n_head=2))
evaluated = "eval" in args.also or "early" in args.also
arguments = TrainingArguments(
    args.out,
    per_device_train_batch_size=32 if "find-batch" in args.also else 4,
    num_train_epochs=1,
    logging_steps=5,
    learning_rate=0.0 if "early" in args.also else 5e-3,
    report_to=[],
    use_cpu=True,
    save_strategy="steps" if {"save", "resume", "early"} & set(args.also) else "no",
    save_steps=10,
    eval_strategy="steps" if evaluated else "no",
    eval_steps=10,
    auto_find_batch_size="find-batch" in args.also,
    load_best_model_at_end="early" in args.also,
    disable_tqdm="no-bar" in args.also,
    logging_nan_inf_filter="unfiltered" not in args.also,
    log_level="info" if "info" in args.also else "passive",
)
trainer = Trainer(
    model,
    arguments,
    train_dataset=data,
    eval_dataset=data.select(range(40)) if evaluated else None,
    data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
    callbacks=[Pace(), *([EarlyStoppingCallback(2, 1.0)] if "early" in args.also else [])],
)
result = trainer.train(resume_from_checkpoint=True if "resume" in args.also else None)
if "metrics" in args.also:
    trainer.log_metrics("train", result.metrics)
    trainer.save_model()
