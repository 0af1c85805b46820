"""The small libraries around PyTorch, each on the same tiny regression."""

import sys
import time

import numpy
import torch

library, trouble = sys.argv[1], (sys.argv[2] if len(sys.argv) > 2 else "")
torch.manual_seed(0)
torch.set_num_threads(1)
x = torch.randn(320, 16)
y = x.sum(1, keepdim=True).tanh()
calls = 0


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))

    def forward(self, x):
        global calls
        calls += 1
        time.sleep(0.05)
        if trouble == "exception" and calls == 30:
            raise IndexError("index 50258 is out of range for embedding of size 50257")
        if trouble == "nan" and calls > 30:
            return self.inner(x) * float("nan")
        return self.inner(x)


def with_skorch():
    from skorch import NeuralNetRegressor
    from skorch.callbacks import EarlyStopping

    callbacks = [EarlyStopping(patience=2, threshold=0.9)] if trouble == "early" else []
    NeuralNetRegressor(Net, max_epochs=6, lr=0.05, batch_size=32, callbacks=callbacks).fit(x, y)


def with_ignite():
    import logging

    from ignite.contrib.handlers import ProgressBar
    from ignite.engine import Events, create_supervised_trainer
    from ignite.handlers import TerminateOnNan

    logging.basicConfig(level=logging.INFO)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    trainer = create_supervised_trainer(net, optimizer, torch.nn.functional.mse_loss)
    ProgressBar(persist=True).attach(trainer, output_transform=lambda loss: {"loss": loss})
    trainer.add_event_handler(Events.ITERATION_COMPLETED, TerminateOnNan())
    trainer.run(torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 16), max_epochs=3)


def with_mmengine():
    from mmengine.model import BaseModel
    from mmengine.runner import Runner

    class Model(BaseModel):
        def __init__(self):
            super().__init__()
            self.net = Net()

        def forward(self, x, y, mode):
            return {"loss": torch.nn.functional.mse_loss(self.net(x), y)}

    Runner(
        model=Model(), work_dir="work_dirs", train_cfg={"by_epoch": True, "max_epochs": 3},
        train_dataloader={"dataset": list(zip(x, y, strict=True)), "batch_size": 16, "sampler": {"type": "DefaultSampler", "shuffle": True},
                          "collate_fn": {"type": "default_collate"}},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.05}}, default_hooks={"logger": {"type": "LoggerHook", "interval": 5}},
    ).train()  # fmt: skip


def with_tabnet():
    from pytorch_tabnet.tab_model import TabNetRegressor

    model = TabNetRegressor(seed=0, device_name="cpu")
    values, targets = x.numpy().astype(numpy.float32), y.numpy()
    model.fit(values[:256], targets[:256], eval_set=[(values[256:], targets[256:])], max_epochs=8, patience=3 if trouble == "early" else 20, batch_size=64, virtual_batch_size=32)


def with_sb3():
    import gymnasium
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback

    class Pace(BaseCallback):
        def _on_step(self):
            time.sleep(0.005)
            if trouble == "exception" and self.num_timesteps > 300:
                raise RuntimeError("simulator returned a non-finite observation")
            return True

    PPO("MlpPolicy", gymnasium.make("CartPole-v1"), n_steps=128, batch_size=64, n_epochs=2, verbose=1, device="cpu", seed=0).learn(
        640, callback=Pace(), progress_bar=trouble == "bar"
    )


def with_spacy():
    import random

    import spacy
    from spacy.tokens import DocBin

    nlp = spacy.blank("en")
    chance = random.Random(0)
    for name in ("train", "dev"):
        docs = DocBin()
        for _ in range(60):
            doc = nlp(" ".join(chance.choices(["paris", "rome", "eats", "sees", "the", "dog"], k=6)))
            place = float("paris" in doc.text or "rome" in doc.text)
            doc.cats = {"PLACE": place} if trouble else {"PLACE": place, "OTHER": 1 - place}
            docs.add(doc)
        docs.to_disk(f"{name}.spacy")


def with_gan():
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for epoch in range(3):
        for index in range(0, 320, 32):
            loss = torch.nn.functional.mse_loss(net(x[index : index + 32]), y[index : index + 32])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print(f"[Epoch {epoch}/3] [Batch {index // 32}/10] [D loss: {loss.item():.6f}] [G loss: {1 - loss.item():.6f}]", flush=True)


{name.removeprefix("with_"): call for name, call in dict(globals()).items() if name.startswith("with_")}[library]()
