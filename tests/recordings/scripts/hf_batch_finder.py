"""accelerate's own loop with find_executable_batch_size."""

import logging
import time

import torch
from accelerate import Accelerator
from accelerate.utils import find_executable_batch_size
from torch.utils.data import DataLoader, TensorDataset
from tqdm.auto import tqdm

import shortage

logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
torch.manual_seed(0)
torch.set_num_threads(1)
accelerator = Accelerator(cpu=True)
x = torch.randn(640, 16)
data = TensorDataset(x, x.sum(1, keepdim=True).tanh())


@find_executable_batch_size(starting_batch_size=128)
def train(batch_size):
    accelerator.free_memory()
    accelerator.print(f"trying batch size {batch_size}")
    model = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters())
    model, optimizer, loader = accelerator.prepare(model, optimizer, DataLoader(data, batch_size))
    bar = tqdm(total=len(loader), desc="training")
    for inputs, targets in loader:
        loss = (model(inputs) - targets).pow(2).mean()
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        time.sleep(0.08)
        bar.update()
        bar.set_postfix(loss=f"{loss.item():.4f}")
    bar.close()


train()
accelerator.print("done")
