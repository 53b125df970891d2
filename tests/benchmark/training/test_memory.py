"""The peak memory of a trial is its own, however many trials a process has run before."""

import pytest
import torch

from benchmark.training import memory

CPU = torch.device("cpu")


@pytest.fixture
def can_be_reset():
    try:
        memory.CLEAR_REFS.write_text(memory.RESET_PEAK)
    except OSError:
        pytest.skip("this system does not reset the peak memory of a process")


def test_a_small_trial_after_a_large_one_has_a_small_peak(can_be_reset):
    memory.reset_peak(CPU)
    before = memory.peak_memory(CPU)
    large = torch.ones(100 * 2**18)  # 100 MB
    assert memory.peak_memory(CPU) > before + 90
    del large
    memory.reset_peak(CPU)
    assert memory.peak_memory(CPU) < before + 50


def test_where_the_peak_cannot_be_reset_it_is_that_of_the_process(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "CLEAR_REFS", tmp_path / "no" / "clear_refs")
    memory.reset_peak(CPU)
    assert memory.peak_memory(CPU) > 50
    monkeypatch.setattr(memory, "STATUS", tmp_path / "none")
    assert memory.peak_memory(CPU) > 50
