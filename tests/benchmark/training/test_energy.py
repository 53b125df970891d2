"""The energy of a trial, from counters that the test writes."""

import sys
from types import SimpleNamespace

import pytest
import torch

from benchmark.settings.settings import Settings
from benchmark.training import energy, state
from benchmark.training.energy import Meter
from benchmark.training.trainer import Trainer
from datasets import files
from datasets.prepare import load

CPU = torch.device("cpu")
RANGE = 262_143_328_850  # microjoules, as many machines have it
ZONES = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "core",
    "intel-rapl:0:1": "dram",
    "intel-rapl:1": "package-1",
    "intel-rapl:1:0": "uncore",
    "intel-rapl:2": "psys",
    "intel-rapl-mmio:0": "package-0",
}


@pytest.fixture
def powercap(tmp_path, monkeypatch):
    """``powercap(**values)`` writes counters, in joules, by the name of the zone; "_" is ":"."""
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "powercap")
    for zone, name in ZONES.items():
        folder = tmp_path / "powercap" / zone
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{RANGE}\n")

    def write(*, package_0=0.0, dram=0.0, package_1=0.0, others=0.0):
        joules = {
            "intel-rapl:0": package_0,
            "intel-rapl:0:1": dram,
            "intel-rapl:1": package_1,
        }
        for zone in ZONES:
            value = round(joules.get(zone, others) * 1e6)
            files.write(tmp_path / "powercap" / zone / "energy_uj", f"{value}\n")

    write()
    return write


def test_packages_and_their_dram_are_added_up_and_nothing_else(powercap):
    powercap(package_0=1000, dram=50, package_1=7, others=1e5)
    meter = Meter(CPU)
    assert meter.source == "rapl"
    powercap(package_0=5000, dram=90, package_1=8, others=2e5)  # not the trial's
    with meter.measuring():
        powercap(package_0=8000, dram=150, package_1=548, others=9e5)
        assert meter.kwh == pytest.approx(3600 / 3.6e6)
        powercap(package_0=11_600, dram=150, package_1=548)
    powercap(package_0=99_999, dram=999, package_1=9999)
    assert meter.kwh == pytest.approx(0.002)


def test_a_counter_that_wraps_around(powercap):
    powercap(package_0=RANGE / 1e6 - 100)
    meter = Meter(CPU)
    with meter.measuring():
        powercap(package_0=RANGE / 1e6 - 40)
        meter.stored()  # as the thread and each saved state do
        powercap(package_0=300)
    assert meter.joules == pytest.approx(400)


def test_a_thread_reads_counters_that_wrap_around_between_two_states(powercap, monkeypatch):
    monkeypatch.setattr(energy, "INTERVAL", 0.001)
    meter = Meter(CPU)
    with meter.measuring():
        for joules in (200_000, 100_000):
            powercap(package_0=joules)
            while meter.last[0] != joules:
                assert meter.joules is not None
    assert meter.joules == pytest.approx(100_000 + RANGE / 1e6)


def test_where_nothing_can_be_read_there_is_no_figure(powercap, tmp_path):
    for zone in ZONES:  # as if only root might read it
        (tmp_path / "powercap" / zone / "energy_uj").unlink()
    meter = Meter(CPU)
    with meter.measuring():
        assert meter.kwh is None
    assert (meter.source, meter.stored()) == ("", None)


def test_a_counter_that_goes_away_leaves_no_figure(powercap, tmp_path):
    meter = Meter(CPU)
    with meter.measuring():
        powercap(package_0=10)
        (tmp_path / "powercap/intel-rapl:0/energy_uj").write_text("")
    assert meter.kwh is None


@pytest.fixture
def gpu(monkeypatch):
    """A GPU that counts millijoules: ``gpu.millijoules``."""
    counted = SimpleNamespace(millijoules=0)

    class NVMLError(Exception):
        pass

    def consumption(handle):
        assert handle == "handle of GPU-abc"
        if counted.millijoules is None:
            raise NVMLError("Not Supported")
        return counted.millijoules

    nvml = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: f"handle of {uuid}",
        nvmlDeviceGetTotalEnergyConsumption=consumption,
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    properties = SimpleNamespace(uuid="abc")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    return counted


def test_a_gpu_is_counted_with_the_processors(powercap, gpu):
    cuda = torch.device("cuda")
    meter = Meter(cuda)
    assert meter.source == "rapl+nvml"
    with meter.measuring():
        gpu.millijoules = 3_500_000
        powercap(package_0=100)
    assert meter.kwh == pytest.approx(0.001)
    assert Meter(CPU).source == "rapl"
    gpu.millijoules = None
    assert Meter(cuda).source == ""  # the processors alone would be the smaller part


def test_a_resumed_trial_adds_up_what_was_measured_alike(powercap, here, monkeypatch):
    measured = energy.POWERCAP
    spec, sequences = load("demo")
    settings = Settings.of(dataset="demo", model="PersonalFrequency")

    def trainer():
        return Trainer(settings, sequences, spec.split_of(sequences))

    first = trainer()
    with first.energy.measuring():
        next(first.epochs())
        powercap(package_0=1800)
        saved = state.capture(first)
    second = trainer()
    state.restore(second, *saved)
    with second.energy.measuring():
        powercap(package_0=5400)
    result = second.pruned_result()
    assert result.energy_kwh == pytest.approx(0.0015)
    assert result.energy_source == "rapl"

    monkeypatch.setattr(energy, "POWERCAP", here / "none")
    elsewhere = trainer()
    state.restore(elsewhere, *saved)
    assert elsewhere.pruned_result().energy_kwh is None
    unmeasured = state.capture(elsewhere)
    monkeypatch.setattr(energy, "POWERCAP", measured)
    back = trainer()
    state.restore(back, *unmeasured)
    assert back.pruned_result().energy_kwh is None


def test_a_trial_logs_its_energy_and_what_counted_it(powercap, run_verb, store):
    done = run_verb("train", "--dataset", "demo", "--model", "Popularity")
    assert done.returncode == 0, done.stderr
    (run,) = store.search_runs([store.get_experiment_by_name("demo").experiment_id])
    assert run.data.metrics["energy_kwh"] == 0
    assert run.data.tags["energy_source"] == "rapl"
