"""The training loss that a line of a log shows, told apart from losses of evaluations, settings and single terms."""

import re
from collections.abc import Iterator, Sequence

_PLACE = re.compile(
    r"loss(?P<rest>[\w/.-]{0,40}(?: \([a-z_]{1,16}\))?)['\")]{0,2}"
    r"(?:\s{0,8}(?:[:=|\uff1a]|->|is\b)\s{0,12}|\s{1,3})"
    r"(?:tensor\()?['\"\[(]?"
    r"(?P<value>[-+]?(?:\d{1,15}(?:\.\d{0,30})?(?:e[-+]?\d{1,4})?|nan|inf(?:inity)?))(?:(?<=[nfy])\.0)?(?!\w|[./]\d)"
)
"""Where a loss stands, from the word on; Lightning prints `nan.0`."""
_WITHIN = 64
"""Characters before the word that may belong to its name."""
_BETWEEN = " :|-]>)"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_IN_NAMES = _LETTERS + "0123456789_/.-"
_WORDS = re.compile(r"[a-z]+")



def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EVALUATION = _words("val cv valid validation eval evaluation evaluating test testing dev heldout holdout")
_NO_LOSS = _words(
    "scale scaler scaling weight weights coef coeff coefficient alpha lambda func function fn type name every interval"
    " freq limit thresh threshold tolerance ratio change delta diff std var best min max lowest highest prev previous"
    " target init initial mask masked count reduction mode patience improvement"
)
"""Words of a name that make it something else than the loss itself."""
_PLAIN = _words(
    "train training tr trn lm step batch iter iteration total tot sum avg average avr mean running smooth smoothed"
    " moving ema epoch global reduced model current cur final raw log overall objective per of the and with"
)
"""Words that leave the loss the whole training loss; any other makes it one term of several."""
_SURENESS: Sequence[frozenset[str]] = (
    frozenset({"step", "batch", "iter", "iteration", "current", "cur"}),
    frozenset({"train", "training", "tr", "trn", "lm", "model"}),
    frozenset({"total", "tot", "sum", "overall", "objective", "global"}),
)
_SUREST, _NAMED, _EPOCH, _AVERAGE, _TERM, _EVALUATED = 0, 1, 8, 9, 10, 11
"""Ranks of names, best first; between `_NAMED` and `_EPOCH` those of `_SURENESS`."""


def training_loss(text: str, prefer: Sequence[str] = ()) -> float | None:
    """The training loss in a lower-case text, possibly nan or infinite; None if it shows none.

    One term among several, or beside the loss of an evaluation, is none. `prefer`: lower-case names that are the
    training loss for certain, the surest first. Of equal names the last counts.
    """
    best: tuple[float, float] | None = None
    terms: set[str] = set()
    for name, value in _named(text):
        rank = _rank(name, prefer)
        if rank is None:
            continue
        if rank >= _TERM:
            terms.add(name)
        if rank != _EVALUATED and (best is None or rank <= best[0]):
            best = (rank, value)
    if best is None or (best[0] == _TERM and len(terms) > 1):
        return None
    return best[1]


def _named(text: str) -> Iterator[tuple[str, float]]:
    for match in _PLACE.finditer(text):
        begin = match.start()
        before = text[max(0, begin - _WITHIN) : begin]
        rest = before.rstrip(_IN_NAMES)
        head = before[len(rest) :].lstrip(".-/")
        name = f"{head}loss{match['rest']}"
        yield f"{_word_before(rest)} {name}".lstrip() if not head else name, float(match["value"])


def _word_before(text: str) -> str:
    """The word right before a name; one of an evaluation also where a sign stands between: `DEV : loss 0.3`."""
    rest = text.rstrip(_BETWEEN)
    word = rest[len(rest.rstrip(_LETTERS)) :]
    return word if word in _EVALUATION or text.rstrip(" ") == rest else ""


def _rank(name: str, prefer: Sequence[str]) -> float | None:
    """How surely a name is the training loss, lower is surer; None if it is none at all."""
    if name in prefer:
        return prefer.index(name) - len(prefer)
    words = {word for part in _WORDS.findall(name.replace("_", " ")) for word in _parted(part)}
    if words & (_NO_LOSS | _EVALUATION):
        return None if words & _NO_LOSS else _EVALUATED
    if name == "reduced_train_loss":
        return _SUREST - 0.5
    if not words:
        return _SUREST
    if not words <= _PLAIN:
        return _TERM
    if words & {"epoch"}:
        return _EPOCH
    if words & {"avg", "average", "avr", "mean", "running", "smooth", "smoothed", "moving", "ema"}:
        return _AVERAGE
    return next((_NAMED + at for at, known in enumerate(_SURENESS) if words & known), _NAMED)


def _parted(word: str) -> Iterator[str]:
    """`trainloss` as `train`: what a word says besides `loss`."""
    rest = word.removesuffix("loss") if word.endswith("loss") else word.removeprefix("losses").removeprefix("loss")
    if rest:
        yield rest
