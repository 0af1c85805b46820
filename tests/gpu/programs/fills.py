"""Takes a GiB of GPU memory a step until there is none left: a real out-of-memory error in PyTorch's own words."""

import time

import torch

held = []
for step in range(1, 2_001):
    held.append(torch.empty(1 << 30, dtype=torch.uint8, device="cuda:0").fill_(1))
    torch.cuda.synchronize()
    print(f"step {step}/2000 loss 0.5", flush=True)
    time.sleep(0.2)
