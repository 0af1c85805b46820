"""TRL: supervised fine-tuning with PEFT, or GRPO."""

import sys
import time

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, TrainerCallback, set_seed
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

import words


class Pace(TrainerCallback):
    def on_step_end(self, *_, **__):
        time.sleep(0.08)


def reward(completions, **_):
    if sys.argv[1] == "grpo-exception" and trainer.state.global_step == 7:
        raise ValueError("reward model returned 3 scores for 4 completions")
    return [len(set(text.split())) / 8 for text in completions]


set_seed(0)
torch.set_num_threads(1)
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words.tokenizer(), pad_token="<pad>", eos_token="<eos>")
sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
model = Qwen2ForCausalLM(
    Qwen2Config(vocab_size=len(tokenizer), **sizes, num_attention_heads=2, num_key_value_heads=2)
)
common = {"output_dir": "out", "report_to": [], "use_cpu": True, "save_strategy": "no", "bf16": False}
if sys.argv[1] == "sft":
    trainer = SFTTrainer(
        model,
        args=SFTConfig(
            **common, per_device_train_batch_size=4, max_steps=30, logging_steps=3, max_length=32, learning_rate=1e-2
        ),
        train_dataset=Dataset.from_dict({"text": words.texts(120)}),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
        callbacks=[Pace()],
    )
else:
    trainer = GRPOTrainer(
        model,
        reward_funcs=reward,
        args=GRPOConfig(
            **common, per_device_train_batch_size=4, num_generations=4, max_steps=12, logging_steps=1,
            max_completion_length=8, learning_rate=1e-2,
        ),
        train_dataset=Dataset.from_dict({"prompt": words.texts(64)}),
        processing_class=tokenizer,
        callbacks=[Pace()],
    )
trainer.train()
