"""The energy that a trial takes, from counters of the machine: nothing is estimated.

RAPL counts the energy of the processors and their memory, NVML that of a GPU. Both count for the
whole device, whoever uses it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypedDict

import torch

from benchmark.background import meanwhile
from benchmark.training import workers

POWERCAP = Path("/sys/class/powercap")
INTERVAL = 10.0  # seconds between two readings; a counter of RAPL wraps around after minutes
JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Counter:
    """A counter of energy."""

    source: str
    read: Callable[[], float]
    """The joules since some moment. Raises OSError or ValueError if they cannot be read."""
    limit: float = float("inf")
    """The joules at which it starts again at 0."""


class Stored(TypedDict):
    """The energy of a trial so far, as its state keeps it."""

    source: str
    joules: float


class Meter:
    """Adds up the energy of a trial, over all sessions of a resumed one.

    It is known if every session was measured by the same kinds of counters.
    """

    def __init__(self, device: torch.device):
        self.counters = counters(device)
        self.source = "+".join(dict.fromkeys(counter.source for counter in self.counters))
        """rapl, nvml, or rapl+nvml; empty if this machine has no counters that may be read."""
        self.joules: float | None = 0.0 if self.counters else None
        """None if it is not known."""
        self.last: list[float] = []
        self.measures = False
        self.lock = threading.Lock()

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Measure while the block runs. A thread reads the counters before they wrap around."""
        if self.joules is None:
            yield
            return
        self._read()
        self.measures = True
        try:
            with meanwhile(self._read_again):
                yield
        finally:
            self._read()
            self.measures = False

    @property
    def kwh(self) -> float | None:
        """The energy until now; None if it is not known."""
        self._read()
        return None if self.joules is None else self.joules / JOULES_PER_KWH

    def stored(self) -> Stored | None:
        """The energy until now, for the trial's state."""
        self._read()
        return None if self.joules is None else Stored(source=self.source, joules=self.joules)

    def resume(self, stored: Stored | None) -> None:
        """Continue from what the sessions before took."""
        same = stored is not None and stored["source"] == self.source
        self.joules = stored["joules"] if stored and same else None

    def _read_again(self, stop: threading.Event) -> None:
        while not stop.wait(INTERVAL):
            self._read()

    def _read(self) -> None:
        """Add what the counters have counted since they were read last."""
        with self.lock:
            if self.joules is None:
                return
            try:
                now = [counter.read() for counter in self.counters]
            except (OSError, ValueError):  # it can no longer be known
                self.joules = None
                return
            if self.measures:
                for counter, before, after in zip(self.counters, self.last, now, strict=True):
                    self.joules += after - before + (counter.limit if after < before else 0.0)
            self.last = now


def counters(device: torch.device) -> list[Counter]:
    """What counts the energy of a trial on ``device``; empty if this machine cannot tell.

    A GPU takes most of the energy of a trial that trains on it: without its counter there is
    nothing. Of processes that share a trial, none sees the devices of all.
    """
    if workers.size() > 1:
        return []
    gpu = _nvml(device) if device.type == "cuda" else []
    if device.type != "cpu" and not gpu:
        return []
    return _rapl() + gpu


def _rapl() -> list[Counter]:
    """The packages (sockets) and their DRAM, which is no part of them.

    Other zones are parts of a package, or hold several ("psys"). intel-rapl-mmio counts the same
    packages again. Only root may read the counters of most machines.
    """
    found = []
    for zone in sorted(POWERCAP.glob("intel-rapl:*")):
        with suppress(OSError, ValueError):
            name = (zone / "name").read_text().strip()
            if name.startswith("package") or name == "dram":
                limit = int((zone / "max_energy_range_uj").read_text()) / 1e6
                counter = Counter("rapl", partial(_joules, zone), limit)
                counter.read()
                found.append(counter)
    return found


def _joules(zone: Path) -> float:
    return int((zone / "energy_uj").read_text()) / 1e6


def _nvml(device: torch.device) -> list[Counter]:
    """The GPU that torch calls ``device``, if it is one that counts its energy."""
    import pynvml  # late: only machines with a GPU need it

    def joules() -> float:
        try:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
        except pynvml.NVMLError as error:
            raise OSError(str(error)) from None

    try:
        pynvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(device).uuid
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        joules()
    except (pynvml.NVMLError, OSError):
        return []
    return [Counter("nvml", joules)]
