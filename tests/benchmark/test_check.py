"""Each check of a model's contract can fail: models that are broken in one way each."""

import textwrap

import pytest

import models
from benchmark.contract import CHECKS, wrong_with
from benchmark.contract.subject import Subject
from models import outside
from tests.benchmark.test_outside import EXAMPLE

HEAD = EXAMPLE + "\n\nimport random\nimport torch\n"

BROKEN = {
    "attributes": [
        (
            "def __init__(self, n_items):\n    super().__init__(n_items, 8)\n    self.window = 0",
            "window is 0 after construction: it should be an integer >= 1",
        ),
        (
            "def __init__(self, n_items):\n    super().__init__(n_items, 8)\n    self.n_items += 1",
            "n_items is 24: the constructor was given 23",
        ),
    ],
    "examples": [
        (
            "def examples(self, sequences, generator):\n"
            "    return NextItem(sequences.items[:, :-1], sequences.items[:, :1])",
            "a target is 23: padding (23) is no target; use -1",
        ),
        (
            "def examples(self, sequences, generator):\n"
            "    found = super().examples(sequences, generator)\n"
            "    drawn = torch.randint(self.n_items, found.items.shape)\n"
            "    return NextItem(drawn, found.targets)",
            "the same generator state draws other examples: draw with `generator` alone",
        ),
        (
            "def examples(self, sequences, generator):\n"
            "    found = super().examples(sequences, generator)\n"
            "    return NextItem(found.items, found.targets[:, 0])",
            "targets has shape [16]: it should be [16, k]",
        ),
    ],
    "loss": [
        (
            "def forward(self, items, targets):\n"
            "    return super().forward(items, targets) * (targets >= 0).sum()",
            "the loss is no mean over targets: ",
        ),
        (
            "def __init__(self, n_items):\n"
            "    super().__init__(n_items, 8)\n"
            "    self.norm = torch.nn.BatchNorm1d(8)\n"
            "def mean(self, items):\n"
            "    return self.norm(super().mean(items))",
            "a buffer that changes in training changes the scores: what is evaluated has the mean",
        ),
        (
            "def forward(self, items, targets):\n"
            "    return F.cross_entropy(\n"
            "        self.mean(items) @ self.items().T, targets[:, 0], ignore_index=-1)",
            "the loss of sequences of one item, without any target, is not finite: give 0",
        ),
        (
            "def forward(self, items, targets):\n"
            "    return super().forward(items, targets).detach()",
            "the loss has no gradient",
        ),
        (
            "def forward(self, items, targets):\n    return self.nothing",
            "AttributeError: 'Model' object has no attribute 'nothing'",
        ),
    ],
    "embeddings": [
        (
            "def items(self):\n    return self.table.weight[: self.n_items] * 1.0",
            "items() is a copy: return the memory of a parameter",
        ),
    ],
    "future": [
        (
            "def examples(self, sequences, generator):\n"
            "    found = super().examples(sequences, generator)\n"
            "    return NextItem(sequences.items, found.targets)",
            "in training the model sees what it is to predict: on random sequences, its loss is ",
        ),
    ],
    "shapes": [
        (
            "def scores(self, queries, first, last):\n    return super().scores(queries, 0, last)",
            "scores has shape [13, 5]: it should be [13, 3]",
        ),
        (
            "def scores(self, queries, first, last):\n"
            "    return super().scores(queries, first, last).long()",
            "scores is torch.int64: it should be float",
        ),
        (
            "def scores(self, queries, first, last):\n"
            "    return super().scores(queries, first, last) / 0",
            "scores of items 0 to 22 are not all finite",
        ),
        (
            "def queries(self, histories):\n"
            "    return super().queries(histories) @ self.items().T\n"
            "def scores(self, queries, first, last):\n    return queries[:, first:last]",
            "scores returns memory of the model or of the queries: copy it",
        ),
    ],
    "chunks": [
        (
            "def scores(self, queries, first, last):\n"
            "    return super().scores(queries, first, last).softmax(1)",
            "the scores of ranges of items are not those of all items at once, by up to ",
        ),
    ],
    "padding": [
        (
            "def queries(self, histories):\n    return self.table(histories.items).mean(1)",
            "scores change with 4 more columns of padding, by up to ",
        ),
    ],
    "rows": [
        (
            "def queries(self, histories):\n"
            "    found = super().queries(histories)\n    return found - found.mean(0)",
            "a history's scores depend on the other histories of the batch, by up to ",
        ),
    ],
    "training": [
        (
            "def queries(self, histories):\n"
            "    assert len(histories.items) < 40, 'too many'\n"
            "    return super().queries(histories)",
            "AssertionError: too many",
        ),
    ],
    "weights": [
        (
            "def forward(self, items, targets):\n"
            "    self.aside = torch.linspace(0, 1, self.n_items) + getattr(self, 'aside', 0)\n"
            "    return super().forward(items, targets)\n"
            "def scores(self, queries, first, last):\n"
            "    aside = getattr(self, 'aside', torch.zeros(self.n_items))\n"
            "    return super().scores(queries, first, last) + aside[first:last]\n"
            "def __deepcopy__(self, memo):\n    return self",
            "a new model with the saved weights scores otherwise: all that is learned or counted ",
        ),
    ],
    "determinism": [
        (
            "def forward(self, items, targets):\n"
            "    return super().forward(items, targets) * random.random()",
            "two trials with the same seed differ: all random numbers should come from torch",
        ),
    ],
    "resume": [
        (
            "steps = 0\n"
            "def forward(self, items, targets):\n"
            "    self.steps += 1\n"
            "    return super().forward(items, targets) * self.steps",
            "a trial that is interrupted and resumed gives another result: all state should be in ",
        ),
    ],
}


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch):
    monkeypatch.setattr(outside, "_loaded", {})


def of(here, body: str) -> Subject:
    """The example of docs/models.md with other methods."""
    code = f"{HEAD}\n\nclass Model(MeanOfLast):\n{textwrap.indent(body, '    ')}\n"
    if "def __init__" not in body:
        code += "    def __init__(self, n_items):\n        super().__init__(n_items, 8)\n"
    (here / "broken.py").write_text(code)
    return Subject("broken.py:Model", {})


def test_every_check_has_a_model_that_it_refuses():
    assert list(BROKEN) == list(CHECKS)


@pytest.mark.parametrize(
    ("check", "body", "message"),
    [(check, body, message) for check, ways in BROKEN.items() for body, message in ways],
)
def test_a_broken_model_is_refused_by_its_check(here, check, body, message):
    wrong = wrong_with(of(here, body), CHECKS[check])
    assert message in str(wrong)
    assert len(str(wrong).splitlines()) == 1


def test_a_counted_model_with_state_aside_is_refused(here):
    subject = Subject("broken.py:Aside", {})
    (here / "broken.py").write_text(
        "from models.baselines.popularity import Popularity\n"
        "class Aside(Popularity):\n"
        "    def count(self, items, users):\n"
        "        super().count(items, users)\n"
        "        self.best = int(items.mode().values)\n"
        "    def scores(self, queries, first, last):\n"
        "        found = super().scores(queries, first, last)\n"
        "        if hasattr(self, 'best') and first <= self.best < last:\n"
        "            found[:, self.best - first] += 100\n"
        "        return found\n"
    )
    assert "all that is learned or counted" in str(wrong_with(subject, CHECKS["weights"]))
    assert wrong_with(subject, CHECKS["chunks"]) is None


FAMILIES = ["BERT4Rec", "gSASRec", "GRU4Rec", "PersonalFrequency", "RepeatLast", "STAN", "SLIST"]


@pytest.mark.parametrize("model", [*FAMILIES, "example.py:MeanOfLast"])
def test_models_of_this_suite_and_the_example_of_the_page_pass(here, model, monkeypatch):
    monkeypatch.setattr("benchmark.contract.subject.STEPS", 30)  # enough for a tiny model
    (here / "example.py").write_text(EXAMPLE)
    small = {"hidden_size": 8, "inner_size": 8, "heads": 1, "layers": 1}
    given = {name: n for name, n in small.items() if name in models.own_settings(model)}
    subject = Subject(model, given)
    for name, check in CHECKS.items():
        if models.learns(model) or not check.of_learned:
            assert wrong_with(subject, check) is None, name


def test_the_command_prints_a_line_for_each_check(run_verb, here):
    (here / "example.py").write_text(EXAMPLE)
    done = run_verb("check", "example.py:MeanOfLast", "--hidden-size", "8", "--decay", "0.5")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(CHECKS)
    assert all(line.split()[1] == "ok:" for line in lines)
    done = run_verb("check", "Popularity", "--device=cpu:0")
    assert done.returncode == 0, done.stderr
    of(here, BROKEN["loss"][0][0])
    done = run_verb("check", "broken.py:Model")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("loss         failed: the loss is no mean")
    assert done.stderr == "Error: broken.py:Model does not fulfil the contract: loss\n"
    for model, code, message in (
        ("none.py:Model", 1, "No such file or directory"),
        ("nobody", 2, "'nobody' is not one of 'bert4rec', 'sasrec'"),
        ("Popularity", 1, "Popularity has no setting decay"),
    ):
        done = run_verb("check", model, *(["--dropout", "0.1"] if code == 1 else []))
        assert done.returncode == code, done.stderr
        assert message.replace("decay", "dropout") in done.stderr
