"""Keras on a tiny model; `--with` says what else is to happen. KERAS_BACKEND chooses what computes."""

import argparse
import os
import time

import numpy

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras

parser = argparse.ArgumentParser()
parser.add_argument("--with", dest="also", nargs="*", default=[])
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--at", type=int, default=30)
args = parser.parse_args()
if "SHORTAGE_AT" in os.environ:
    import shortage


class Pace(keras.callbacks.Callback):
    steps = 0

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.05)
        Pace.steps += 1
        if "exception" in args.also and Pace.steps == args.at:
            raise ValueError("Input 0 of layer \"dense\" is incompatible with the layer: expected axis -1 to have value 16")


keras.utils.set_random_seed(0)
model = keras.Sequential(
    [keras.layers.Input((16,)), keras.layers.Dense(32, activation="relu"), keras.layers.Dense(1)]
)
rate = 1e30 if "nan" in args.also else 0.0 if "early" in args.also else 0.01
model.compile(optimizer=keras.optimizers.SGD(rate), loss="mse", metrics=["mean_squared_error"])
x = numpy.random.default_rng(0).normal(size=(320, 16)).astype("float32")
y = numpy.tanh(x.sum(1, keepdims=True))
callbacks = [Pace()]
if "nan" in args.also:
    callbacks.append(keras.callbacks.TerminateOnNaN())
if "early" in args.also:
    callbacks.append(keras.callbacks.EarlyStopping("val_loss", patience=2, verbose=1))
if "save" in args.also:
    callbacks.append(keras.callbacks.ModelCheckpoint("small/{epoch}.keras", verbose=1))
model.fit(
    x, y, batch_size=16, epochs=args.epochs, callbacks=callbacks, validation_split=0.2 if "early" in args.also else 0.0,
    verbose=2 if "lines" in args.also else 1,
)  # fmt: skip
