"""Trains at full power for half a minute, then waits on the GPU as a collective operation does whose peers are gone.

A kernel that spins keeps the GPU fully busy and cold, which is what NCCL's look like.
"""

import time

import torch

HALF_A_MINUTE, STEP = 30.0, 0.5

matrix = torch.randn(8192, 8192, device="cuda:0", dtype=torch.bfloat16)
began, step = time.monotonic(), 0
while time.monotonic() - began < HALF_A_MINUTE:
    until = time.monotonic() + STEP
    while time.monotonic() < until:
        matrix = torch.nn.functional.normalize(matrix @ matrix)
        torch.cuda.synchronize()
    step += 1
    print(f"step {step}/100000 loss 0.5", flush=True)
while True:
    torch.cuda._sleep(1_000_000_000)
    torch.cuda.synchronize()
