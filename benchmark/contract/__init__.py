"""The contract of a model, checked on tiny SYNTHETIC data. docs/models.md has it in words.

Each check is a function of the model under test. It raises Broken if the model does not keep its
part of the contract.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import models
from benchmark.contract import learning, scoring, trials
from benchmark.contract.subject import Broken, Subject
from benchmark.errors import UserError
from benchmark.settings.declaration import Value
from models.outside import why


class Check(NamedTuple):
    """A part of the contract."""

    what: str
    """What is checked, for the line of a check that finds nothing wrong."""
    function: Callable[[Subject], None]
    of_learned: bool = False
    """Whether it is for models that learn by gradients alone."""
    needed: bool = False
    """Whether the checks after it need it."""


CHECKS = {
    "attributes": Check("n_items, max_length, window are set", trials.attributes, needed=True),
    "examples": Check("targets, and all that is drawn", learning.examples, True, needed=True),
    "loss": Check("a finite mean over targets, with gradients", learning.loss, True, needed=True),
    "embeddings": Check("items() is memory of a parameter", learning.embeddings, True),
    "future": Check("no target is seen in training", learning.future, True),
    "shapes": Check("shape, type and memory of scores", scoring.shapes, needed=True),
    "chunks": Check("scores of ranges of items are those of all items", scoring.chunks),
    "padding": Check("more padding changes no score", scoring.padding),
    "rows": Check("a history's scores do not depend on its batch", scoring.rows),
    "training": Check("a trial of two epochs, with its rankings", trials.trains, needed=True),
    "weights": Check("saved without pickle and loaded, it scores alike", trials.weights),
    "determinism": Check("the same seed gives the same weights and ranks", trials.determinism),
    "resume": Check("an interrupted trial ends as an uninterrupted one", trials.resume),
}
"""The checks by name, in their order."""


class Finding(NamedTuple):
    """What a check found."""

    check: str
    what: str
    """What was checked."""
    wrong: str | None
    """What is wrong; None if nothing is."""


def findings(model: str, given: dict[str, Value]) -> Iterator[Finding]:
    """Run the checks of the model of that name, one after the other, and yield what each found.

    Raises ValueError if the class cannot be loaded, or if the settings do not fit.
    """
    subject = Subject(model, given)
    learns = models.learns(subject.settings.model)
    for name, check in CHECKS.items():
        if check.of_learned and not learns:
            continue
        wrong = wrong_with(subject, check)
        yield Finding(name, check.what, wrong)
        if wrong and check.needed:
            return


def wrong_with(subject: Subject, check: Check) -> str | None:
    """What is wrong with the model, by one check; None if nothing is."""
    try:
        check.function(subject)
    except (Broken, UserError) as broken:
        return str(broken)
    except Exception as error:  # of the model's code, which is under test here
        return why(error)
    return None
