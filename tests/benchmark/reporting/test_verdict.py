"""The sentences above a report: is the best learned model worth more than the best counted one?"""

import numpy as np
import pytest

from benchmark.metrics import per_query
from benchmark.reporting import statistics
from tests.benchmark.reporting.test_comparison import EVERYBODY, as_json, log, ranks, report
from tests.conftest import one_each

__all__ = ["ranks", "report"]  # fixtures
COUNTED = {"rate": None}


def ndcg(found):
    return f"{one_each(found)['ndcg@10']:.4f}"


def difference(first, second):
    """How the verdict gives the difference of two models, from the definitions."""
    of_users = (per_query(first, EVERYBODY, "ndcg@10") - per_query(second, EVERYBODY, "ndcg@10"))[
        None
    ]
    (low,), (high,) = statistics.interval(of_users)
    (p,) = statistics.t_test(of_users)
    shown = f"= {p:.2g}" if p > 1e-16 else "< 1e-16"
    return f"{of_users.mean():+.4f} (95% interval {low:+.4f} to {high:+.4f}, p {shown})"


def test_a_learned_model_that_beats_the_counted_one(report, store, here, ranks):
    log(store, "Net", ranks["Good"])
    log(store, "Net", ranks["Bad"], rate=0.2)  # a worse setting: not the best row
    log(store, "Counts", ranks["Bad"], **COUNTED)
    worst = np.full(len(ranks["Bad"]), 50)
    log(store, "Popular", worst, **COUNTED)
    (said,) = as_json(report, here, "--experiment", "e", "--k", "10")["verdict"]
    beginning, _, figures = said.partition(", difference ")
    assert beginning == (
        f"Net (learned, 1.5 s) beats Counts (counted, 1.5 s): test ndcg@10 {ndcg(ranks['Good'])} "
        f"against {ndcg(ranks['Bad'])}"
    )
    interval = difference(ranks["Good"], ranks["Bad"]).partition(", p")[0]
    assert figures.startswith(interval)  # p is corrected for all pairs of rows


@pytest.mark.parametrize("learned", ["Bad", "Twin"])
def test_a_learned_model_that_does_not_beat_the_counted_one(report, store, here, ranks, learned):
    """Because it is worse, or because no difference is significant."""
    log(store, "Net", ranks[learned], synthetic="true")
    run = log(store, "Counts", ranks["Good"], synthetic="true", **COUNTED)
    store.log_metric(run, "trial_seconds", 1234.5, step=2)
    assert as_json(report, here)["verdict"] == [
        f"Net (learned, 1.5 s) does not beat Counts (counted, 1,234 s): test ndcg@10 "
        f"{ndcg(ranks[learned])} against {ndcg(ranks['Good'])}, difference "
        f"{difference(ranks[learned], ranks['Good'])}.",
        "The data are synthetic: this says nothing about real users.",
    ]


def test_without_ranks_of_the_same_targets_there_is_no_test(report, store, here, ranks):
    log(store, "Net", ranks["Bad"])
    log(store, "Counts", ranks["Good"][:-1], **COUNTED)
    (said,) = as_json(report, here)["verdict"]
    assert said == (
        f"Net (learned, 1.5 s) has test ndcg@10 {ndcg(ranks['Bad'])}, Counts (counted, 1.5 s) "
        f"{ndcg(ranks['Good'][:-1])}: no test compares them, because their trials did not log the "
        "ranks of the same targets."
    )


def test_without_a_counted_model_the_command_that_runs_them_is_said(report, store, here, ranks):
    run = log(store, "Net", ranks["Good"])
    for name, value in {"dataset": "my data.yaml", "history": "masked"}.items():
        store.log_param(run, name, value)
    (said,) = as_json(report, here)["verdict"]
    assert said == (
        "No counted model was run on these data, so it is not known whether Net (learned, 1.5 s), "
        f"test ndcg@10 {ndcg(ranks['Good'])}, beats one. To run all of them: mlflow run . -P "
        "model=baselines -P 'dataset=my data.yaml' -P history=masked"
    )


def test_without_a_learned_model_the_best_counted_one_is_named(report, store, here, ranks):
    for model in ("Bad", "Good"):
        log(store, model, ranks[model], **COUNTED)
    (said,) = as_json(report, here)["verdict"]
    assert said == (
        "No learned model was run on these data. The best counted model is Good (counted, 1.5 s), "
        f"test ndcg@10 {ndcg(ranks['Good'])}."
    )


@pytest.mark.parametrize("form", ["markdown", "html", "latex"])
def test_the_verdict_stands_above_all_else(report, store, here, ranks, form):
    log(store, "Net", ranks["Bad"])
    log(store, "Counts", ranks["Good"], **COUNTED)
    done = report("--experiment", "e", "--format", form, "--output", "out", "--no-log")
    assert done.returncode == 0, done.stderr
    text = (here / "out").read_text()
    sentence = "Net (learned, 1.5 s) does not beat Counts (counted, 1.5 s): test ndcg@10"
    assert f"\n{sentence}" in done.stdout
    assert text.count(sentence) == 1
    beginning = text.partition(sentence)[0]
    assert beginning == {"markdown": "", "latex": "% "}.get(form, beginning)
    assert "<h2>" not in beginning
