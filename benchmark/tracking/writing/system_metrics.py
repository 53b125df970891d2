"""How a trial uses its machine: CPU, memory, disk, network and GPU, as MLflow measures them.

MLflow's own thread sends each sample to the server at once, and ends when that fails. Here samples
wait in the outbox like everything else.
"""

import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow import environment_variables as variables
from mlflow.entities import Run
from mlflow.system_metrics.metrics.base_metrics_monitor import BaseMetricsMonitor
from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
from mlflow.system_metrics.metrics.rocm_monitor import ROCMMonitor
from mlflow.utils.time import get_current_time_millis
from tqdm import tqdm

from benchmark.background import meanwhile
from benchmark.errors import TakenOver
from benchmark.tracking.outage import reason
from benchmark.tracking.outbox.messages import Metrics
from benchmark.tracking.outbox.outbox import Outbox
from benchmark.tracking.server import TrackingError

PREFIX = "system/"  # of the metrics in the tab "System metrics" of MLflow's UI
INTERVAL = 10.0  # seconds between two samples, as MLflow has it
MONITORS: tuple[type[BaseMetricsMonitor], ...] = (
    CPUMonitor,
    DiskMonitor,
    NetworkMonitor,
    GPUMonitor,
    ROCMMonitor,
)


@contextmanager
def logged(client: MlflowClient, outbox: Outbox, run: Run) -> Iterator[None]:
    """Log samples while the block runs, and one when it ends, if MLflow's variable asks for it.

    Steps continue those that ``run`` has. Raises TrackingError if a variable has a value that it
    cannot have.
    """
    interval, samples = _asked()
    if not samples:
        yield
        return
    sampler = Sampler(outbox, _next_step(client, run))

    def sample(stop: threading.Event) -> None:
        sampler.begin()  # here: psutil measures the CPU since the last call of the same thread
        count = 0
        while not stop.wait(interval):
            count += 1
            sampler.sample(log=count % samples == 0)
        sampler.sample(log=True)

    with meanwhile(sample):
        yield


def _asked() -> tuple[float, int]:
    """The seconds between two samples, and how many of them are logged as one; 0: not asked for."""
    try:
        if not variables.MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get():
            return INTERVAL, 0
        interval = variables.MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL.get() or INTERVAL
        samples = variables.MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING.get() or 1
    except ValueError as error:
        raise TrackingError(str(error)) from None
    if not (0 < interval < math.inf and samples > 0):
        raise TrackingError(
            f"system metrics: {samples} samples every {interval:g} s: both need to be above 0"
        )
    return interval, samples


class Sampler:
    """Takes samples, and logs their means."""

    def __init__(self, outbox: Outbox, step: int):
        node = variables.MLFLOW_SYSTEM_METRICS_NODE_ID.get()
        self.outbox = outbox
        self.prefix = f"{PREFIX}{node}/" if node else PREFIX
        self.step = step
        self.monitors: list[BaseMetricsMonitor] = []

    def begin(self) -> None:
        """Start to measure what is measured since the last call."""
        self.monitors = list(_monitors())
        with self._harmless():
            for monitor in self.monitors:
                monitor.collect_metrics()
                monitor.clear_metrics()

    def sample(self, *, log: bool) -> None:
        """Take a sample; ``log`` the mean of all samples since the last logged ones."""
        with self._harmless():
            for monitor in self.monitors:
                monitor.collect_metrics()
            if log:
                self._log()

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        """An error of psutil or of a driver ends the samples, and not the trial."""
        try:
            yield
        except TakenOver:  # the training learns of it, too
            self.monitors = []
        except Exception as error:
            tqdm.write(f"no more system metrics: {reason(error)}", file=sys.stderr)
            self.monitors = []

    def _log(self) -> None:
        values = {
            f"{self.prefix}{name}": float(value)
            for monitor in self.monitors
            for name, value in monitor.aggregate_metrics().items()
        }
        for monitor in self.monitors:
            monitor.clear_metrics()
        if values:
            self.outbox.say(Metrics(values, self.step, get_current_time_millis()))
            self.step += 1


def _monitors() -> Iterator[BaseMetricsMonitor]:
    """One for each part of the machine that can be measured."""
    for make in MONITORS:
        try:
            yield make()
        except (ImportError, RuntimeError):  # there is no such GPU, or no driver for it
            continue
        except Exception as error:  # a container may hide a part
            tqdm.write(f"no metrics of {make.__name__}: {reason(error)}", file=sys.stderr)


def _next_step(client: MlflowClient, run: Run) -> int:
    """The step after the last one that was logged before a resumption; 0 for a new trial."""
    key = next((key for key in run.data.metrics if key.startswith(PREFIX)), None)
    if key is None:
        return 0
    history = client.get_metric_history(run.info.run_id, key)
    return 1 + max(metric.step for metric in history)
