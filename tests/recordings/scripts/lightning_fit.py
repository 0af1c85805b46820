"""Lightning on a tiny model; `--with` says what else is to happen."""

import argparse
import logging
import os
import time

import lightning
import torch
from lightning.pytorch import callbacks
from lightning.pytorch.tuner import Tuner
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--with", dest="also", nargs="*", default=[])
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--at", type=int, default=27)
parser.add_argument("--out", default="out")
args = parser.parse_args()
if "SHORTAGE_AT" in os.environ or "SHORTAGE_ABOVE" in os.environ:
    import shortage


# An advertisement names a host that has no place here.
logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(lambda record: "litlogger" not in record.getMessage())


class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.batch_size = 16
        self.inner = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU())
        self.head = torch.nn.Linear(32, 1)
        self.calls = 0

    def forward(self, x):
        return self.head(self.inner(x))

    def training_step(self, batch, _):
        self.calls += 1
        time.sleep(0.08)
        loss = self.loss(batch)
        if "exception" in args.also and self.calls == args.at:
            raise RuntimeError("Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!")
        if "nan" in args.also and self.calls >= args.at:
            loss = loss * float("nan")
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, _):
        time.sleep(0.03)
        self.log("val_loss", self.loss(batch), prog_bar=True)

    def loss(self, batch):
        x, y = batch
        return (self(x) - y).pow(2).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0 if "early" in args.also else 0.05)

    def train_dataloader(self):
        return DataLoader(data, self.batch_size)

    def val_dataloader(self):
        return DataLoader(data, 64) if validated else []


lightning.seed_everything(0)
torch.set_num_threads(1)
x = torch.randn(320, 16)
data = TensorDataset(x, x.sum(1, keepdim=True).tanh())
validated = bool({"val", "early", "finite"} & set(args.also))
chosen = []
if "early" in args.also:
    chosen.append(callbacks.EarlyStopping("val_loss", patience=2))
if "finite" in args.also:
    chosen.append(callbacks.EarlyStopping("train_loss", patience=50, check_finite=True, verbose=True, check_on_train_epoch_end=True))
if "no-bar" not in args.also:
    chosen.append(callbacks.RichProgressBar() if "rich" in args.also else callbacks.TQDMProgressBar())
if "save" in args.also:
    chosen.append(callbacks.ModelCheckpoint(args.out, every_n_train_steps=5, save_top_k=-1))
trainer = lightning.Trainer(
    max_epochs=args.epochs,
    accelerator="cpu",
    logger=False,
    enable_checkpointing="save" in args.also,
    enable_progress_bar="no-bar" not in args.also,
    callbacks=chosen,
    default_root_dir=args.out,
    detect_anomaly=False,
    devices=2 if "ddp" in args.also else 1,
    strategy="ddp" if "ddp" in args.also else "auto",
    log_every_n_steps=5,
)
model = Model()
if "find-batch" in args.also:
    Tuner(trainer).scale_batch_size(model, mode="power", init_val=4, max_trials=6, steps_per_trial=3)
trainer.fit(model)
