"""The sentences above a report: which model leads, by how much, at what cost, and what speaks
against it."""

import json

import numpy as np
import pytest
from mlflow.entities import Dataset, DatasetInput

from benchmark.measures.metrics import per_query
from benchmark.reporting import statistics
from benchmark.tracking.reading.record import STATISTICS
from tests.benchmark.reporting.test_comparison import EVERYBODY, as_json, log, ranks, report
from tests.conftest import one_each

__all__ = ["ranks", "report"]  # fixtures
COUNTED = {"rate": None}


def ndcg(found):
    return f"{one_each(found)['ndcg@10']:.4f}"


def difference(first, second, pairs=1):
    """How the verdict gives the difference of two models, from the definitions; ``pairs`` times
    the p-value is Holm's correction of the smallest one."""
    of_users = (per_query(first, EVERYBODY, "ndcg@10") - per_query(second, EVERYBODY, "ndcg@10"))[
        None
    ]
    (low,), (high,) = statistics.interval(of_users)
    p = statistics.t_test(of_users)[0] * pairs
    shown = f"= {p:.2g}" if p > 1e-16 else "< 1e-16"
    return f"difference {of_users.mean():+.4f} (95% interval {low:+.4f} to {high:+.4f}, p {shown})"


def test_the_leader_is_better_than_the_next_model(report, store, here, ranks):
    log(store, "Net", ranks["Good"])
    log(store, "Net", ranks["Bad"], rate=0.2)  # a worse setting: not the best row
    slow = log(store, "Counts", ranks["Bad"], **COUNTED)
    store.log_metric(slow, "trial_seconds", 6.0, step=2)
    store.log_metric(slow, "parameters", 2_500_000, step=2)
    first, cost, caution = as_json(report, here, "--experiment", "e", "--k", "10")["verdict"]
    beginning, _, figures = first.partition(", difference ")
    assert beginning == (
        "Net leads on validation and is better on test than Counts, the next model: ndcg@10 "
        f"{ndcg(ranks['Good'])} against {ndcg(ranks['Bad'])}"
    )
    interval = difference(ranks["Good"], ranks["Bad"]).partition(", p")[0]
    assert f"difference {figures}".startswith(interval)  # p is corrected for all pairs of rows
    assert cost == (
        "Net is 4.0 times as fast (Net 1.5 s a trial, Counts 6.0 s), with 1.2 k parameters "
        "against 2.5 M."
    )
    assert caution == "Caution: one seed of Net."


def test_no_significant_difference_is_a_verdict_too(report, store, here, ranks):
    log(store, "Net", ranks["Good"], synthetic="true")
    log(store, "Counts", ranks["Twin"], synthetic="true", **COUNTED)
    names, order = ("Net", "Counts"), ("Good", "Twin")
    first, cost, caution = as_json(report, here)["verdict"]
    if one_each(ranks["Twin"])["ndcg@10"] > one_each(ranks["Good"])["ndcg@10"]:
        names, order = names[::-1], order[::-1]
    assert first == (
        f"No significant difference on test between {names[0]}, which leads on validation, and "
        f"{names[1]}, the next model: ndcg@10 {ndcg(ranks[order[0]])} against "
        f"{ndcg(ranks[order[1]])}, {difference(*(ranks[name] for name in order))}."
    )
    assert cost.startswith("Both take about as long (")
    assert caution == "Caution: synthetic data; one seed of Net."


def test_validation_may_lead_astray(report, store, here, ranks):
    """The leader on validation is the worse model on test."""
    run = log(store, "Lucky", ranks["Bad"], **COUNTED)
    store.log_metric(run, "best_valid/ndcg_at_10", 0.99, step=1)
    log(store, "Steady", ranks["Good"], **COUNTED)
    assert as_json(report, here)["verdict"][0] == (
        "Lucky leads on validation, but Steady, the next model, is better on test: ndcg@10 "
        f"{ndcg(ranks['Bad'])} against {ndcg(ranks['Good'])}, "
        f"{difference(ranks['Bad'], ranks['Good'])}."
    )


def test_the_best_of_the_other_kind_is_compared_too(report, store, here, ranks):
    for model, found in (("Net", ranks["Good"]), ("Other", ranks["Good"] + 3)):
        log(store, model, found)
    log(store, "Counts", ranks["Good"] + 9, **COUNTED)
    verdict = as_json(report, here)["verdict"]
    assert verdict[0].startswith("Net leads on validation and is better on test than Other")
    assert verdict[2].startswith(
        f"It beats Counts, the best counted model: ndcg@10 {ndcg(ranks['Good'] + 9)}, difference +"
    )


def test_models_that_are_level_are_named(report, store, here, ranks):
    for model in ("Net", "Twin", "Third"):
        log(store, model, np.roll(ranks["Good"], len(model)), **COUNTED)
    verdict = " ".join(as_json(report, here)["verdict"])
    assert verdict.startswith("No significant difference on test between ")
    assert "Nor is it significantly better than " in verdict


def test_without_ranks_of_the_same_targets_there_is_no_test(report, store, here, ranks):
    log(store, "Net", ranks["Bad"])
    log(store, "Counts", ranks["Good"][:-1], **COUNTED)
    assert as_json(report, here)["verdict"][0] == (
        f"Counts leads on validation; test ndcg@10 {ndcg(ranks['Good'][:-1])} against "
        f"{ndcg(ranks['Bad'])} of Net, the next model. No test compares them: their trials did "
        "not log the ranks of the same targets."
    )


def test_without_a_counted_model_the_command_that_runs_them_is_said(report, store, here, ranks):
    run = log(store, "Net", ranks["Good"])
    params = {"dataset": "my data.yaml", "history": "masked", "recbole_config": "books.yaml"}
    for name, value in params.items():
        store.log_param(run, name, value)
    store.set_tag(run, "command", "mlflow run . -P 'dataset=my data.yaml' -P 'data_dir=/our data'")
    only, caution, missing = as_json(report, here)["verdict"]
    assert only.startswith(f"Net is the only model: test ndcg@10 {ndcg(ranks['Good'])} (95% inter")
    assert only.endswith("1.5 s a trial, 1.2 k parameters.")
    assert missing == (
        "No counted model is among these trials, so it is not known whether Net beats one. To run "
        "all of them: python -m benchmark.train --model=baselines '--dataset=my data.yaml' "
        "--history=masked --recbole-config=books.yaml '--data-dir=/our data'"
    )
    assert caution == "Caution: one seed of Net."


def test_without_a_learned_model_the_best_counted_ones_are_compared(report, store, here, ranks):
    for model in ("Bad", "Good"):
        log(store, model, ranks[model], **COUNTED)
    verdict = as_json(report, here)["verdict"]
    assert verdict[0].startswith("Good leads on validation and is better on test than Bad")
    assert verdict[-1] == "No learned model is among these trials."


def test_unequal_tuning_other_devices_and_a_last_epoch_are_cautions(report, store, here, ranks):
    log(store, "Net", ranks["Good"], device="cpu")
    log(store, "Net", ranks["Good"] + 1, rate=0.2, device="cpu")
    last = log(store, "Other", ranks["Bad"], device="cuda")
    store.log_metric(last, "best_epoch", 3, step=2)
    verdict = as_json(report, here)["verdict"]
    assert "Net took 1.5 s a trial, Other 1.5 s on another device." in verdict
    assert verdict[-2] == (
        "Caution: one seed of Net and Other; Other may need more epochs (the last is the best); "
        "the models were not tuned equally."
    )


def test_an_order_of_equal_times_that_predicts_items_is_a_caution(report, store, here, ranks):
    numbers = dict.fromkeys(STATISTICS, 1_000.0) | {
        "tied_neighbours": 0.5,
        "tied_test_targets": 0.4,
        "successors_asked": 5_000.0,
        "successors_in_order": 0.3,
        "successors_in_random_order": 0.1,
    }
    for name, of_model in (("Net", "Good"), ("Counts", "Bad")):
        run = log(store, name, ranks[of_model], **({} if name == "Net" else COUNTED))
        profile = json.dumps(numbers)
        store.log_inputs(run, [DatasetInput(Dataset("d", "1", "code", "s", profile=profile))])
    *_, caution = as_json(report, here)["verdict"]
    expected = "Caution: the file's order of equal times predicts items; one seed of Net."
    assert caution == expected


def test_published_figures_alone_have_no_verdict(report, store, here, ranks):
    log(store, "Page", ranks["Good"], **{"seqrec.published": "page.md"})
    assert as_json(report, here)["verdict"] == []


@pytest.mark.parametrize("form", ["markdown", "html", "latex"])
def test_the_verdict_stands_above_all_else(report, store, here, ranks, form):
    log(store, "Net", ranks["Bad"])
    log(store, "Counts", ranks["Good"], **COUNTED)
    done = report("--experiment", "e", "--format", form, "--output", "out", "--no-log")
    assert done.returncode == 0, done.stderr
    text = (here / "out").read_text()
    sentence = "Counts leads on validation and is better on test than Net, the next model"
    assert done.stdout.startswith(sentence)
    assert text.count(sentence) == 1
    beginning = text.partition(sentence)[0]
    assert beginning == {"markdown": "", "latex": "% "}.get(form, beginning)
    assert "<h2>" not in beginning
