"""Gradient-boosted trees: XGBoost, LightGBM or CatBoost."""

import argparse
import time

import numpy

parser = argparse.ArgumentParser()
parser.add_argument("library")
parser.add_argument("--trouble", default="")
parser.add_argument("--rounds", type=int, default=60)
args = parser.parse_args()
chance = numpy.random.default_rng(0)
x = chance.normal(size=(600, 8))
y = (x.sum(1) + chance.normal(size=600) > 0).astype(int)
if args.trouble == "exception":
    y[3] = -7
    x[5] = numpy.inf
stop = 5 if args.trouble == "early" else None

if args.library == "xgboost":
    import xgboost

    class Pace(xgboost.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            time.sleep(0.05)
            return False

    xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3, "eta": 0.6 if stop else 0.2, "nthread": 1},
        xgboost.DMatrix(x[:400], y[:400]), args.rounds, evals=[(xgboost.DMatrix(x[:400], y[:400]), "train"),
        (xgboost.DMatrix(x[400:], y[400:]), "validation")], early_stopping_rounds=stop, callbacks=[Pace()], verbose_eval=2,
    )  # fmt: skip
elif args.library == "lightgbm":
    import lightgbm

    train = lightgbm.Dataset(x[:400], y[:400])
    callbacks = [lightgbm.log_evaluation(5), lambda _: time.sleep(0.05)]
    if stop:
        callbacks.append(lightgbm.early_stopping(stop))
    lightgbm.train(
        {"objective": "binary", "metric": "auc", "num_leaves": 7, "num_threads": 1, "learning_rate": 0.4 if stop else 0.1},
        train, args.rounds, valid_sets=[lightgbm.Dataset(x[400:], y[400:], reference=train)], callbacks=callbacks,
    )  # fmt: skip
else:
    from catboost import CatBoostClassifier

    class Pace:
        def after_iteration(self, _):
            time.sleep(0.05)
            return True

    CatBoostClassifier(iterations=args.rounds, depth=3, thread_count=1, random_seed=0, train_dir="catboost_info").fit(
        x[:400], y[:400], eval_set=(x[400:], y[400:]), callbacks=[Pace()], verbose=5
    )
