"""A recipe in the manner of torchtune: one bar an epoch that carries epoch, step and loss in its description."""

import logging
import os
import time

import torch
from tqdm import tqdm

if "SHORTAGE_AT" in os.environ:
    import shortage
logging.basicConfig(level=logging.INFO, format="%(levelname)s:%(name)s:%(message)s")
log = logging.getLogger("torchtune.utils._logging")
log.info("Running LoRAFinetuneRecipeSingleDevice with resolved config:\n\nbatch_size: 2\nclip_grad_norm: null\ncompile: false\ndtype: bf16\nenable_activation_checkpointing: true\nloss:\n  _component_: torchtune.modules.loss.LinearCrossEntropyLoss\noptimizer_in_bwd: false\n")
torch.manual_seed(0)
torch.set_num_threads(1)
model = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
log.info("Model is initialized with precision torch.bfloat16.")
step = 0
for epoch in range(2):
    bar = tqdm(total=30)
    for _ in range(30):
        x = torch.randn(16, 16)
        loss = (model(x) - x.sum(1, keepdim=True).tanh()).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        time.sleep(0.05)
        bar.update(1)
        bar.set_description(f"{epoch + 1}|{step}|Loss: {loss.item()}")
    bar.close()
    log.info("Starting checkpoint save...")
    log.info(f"Model checkpoint of size 0.01 GiB saved to out/epoch_{epoch}/model-00001-of-00001.safetensors")
