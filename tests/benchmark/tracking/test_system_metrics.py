"""System metrics of trials, under MLflow's names."""

import pytest
from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor

from benchmark.tracking.outbox.outbox import Outbox
from benchmark.tracking.server import TrackingError
from benchmark.tracking.writing.system_metrics import logged

ASKED = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"
INTERVAL = "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"
CPU = "system/cpu_utilization_percentage"


@pytest.fixture
def run_id(store, monkeypatch) -> str:
    monkeypatch.setenv(ASKED, "true")
    monkeypatch.setenv(INTERVAL, "0.01")
    return store.create_run(store.create_experiment("e")).info.run_id


@pytest.fixture
def sample(store, run_id):
    """Logs samples: at least ``count``, and the last one."""

    def log(count: int) -> None:
        outbox = Outbox(store, run_id)
        with logged(store, outbox, store.get_run(run_id)):
            while outbox.next_number <= count:
                pass
        assert outbox.epoch == 0  # samples are no epochs
        assert outbox.close(60)

    return log


def steps(store, run_id, key=CPU):
    return [metric.step for metric in store.get_metric_history(run_id, key)]


def test_samples_have_mlflows_names_and_their_steps_continue_after_a_resumption(
    store, run_id, sample
):
    sample(2)
    first = steps(store, run_id)
    assert len(first) >= 3
    sample(1)
    both = steps(store, run_id)
    assert both == list(range(len(both)))
    assert len(both) >= len(first) + 2
    found = store.get_run(run_id).data.metrics
    assert found.keys() >= {CPU, "system/system_memory_usage_megabytes"}
    assert all(key.startswith("system/") for key in found)


def test_several_samples_are_logged_as_their_mean_with_the_name_of_the_machine(
    store, run_id, sample, monkeypatch
):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING", "3")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_NODE_ID", "first")
    taken = []

    def collect(monitor):
        taken.append(len(taken))
        monitor._metrics["cpu_utilization_percentage"].append(taken[-1])

    monkeypatch.setattr(CPUMonitor, "collect_metrics", collect)
    sample(1)
    history = store.get_metric_history(run_id, "system/first/cpu_utilization_percentage")
    assert history[0].value == 2  # of 1, 2 and 3: what was collected at the start does not count


def test_a_monitor_that_fails_ends_the_samples_and_not_the_trial(
    store, run_id, sample, monkeypatch, capsys
):
    def collect(monitor):
        raise OSError("no such counter")

    monkeypatch.setattr(CPUMonitor, "collect_metrics", collect)
    sample(0)
    assert capsys.readouterr().err == "no more system metrics: no such counter\n"
    assert store.get_run(run_id).data.metrics == {}


@pytest.mark.parametrize("interval", ["-1", "nan", "often"])
def test_an_interval_that_cannot_be_is_one_line(store, run_id, monkeypatch, interval):
    monkeypatch.setenv(INTERVAL, interval)
    outbox = Outbox(store, run_id)
    with pytest.raises(TrackingError), logged(store, outbox, store.get_run(run_id)):
        pytest.fail("nothing may start")
    outbox.close(60)


def test_train_logs_them_if_it_is_asked(store, run_verb, monkeypatch):
    words = ["train", "--dataset", "demo", "--model", "Popularity"]
    monkeypatch.setenv(ASKED, "false")  # the command sets it
    for options in ([], ["--system-metrics"], ["--system_metrics", "false"]):
        done = run_verb(*words, *options)
        assert done.returncode == 0, done.stderr
    experiment = store.get_experiment_by_name("demo").experiment_id
    runs = store.search_runs([experiment], order_by=["attributes.start_time"])
    assert [CPU in run.data.metrics for run in runs] == [False, True, False]
    done = run_verb(*words, **{ASKED: "perhaps"})
    assert done.returncode == 2
    assert "'perhaps' is not a valid boolean" in done.stderr.splitlines()[-1]
