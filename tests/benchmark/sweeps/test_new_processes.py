"""What a new process of `--jobs` takes from the sweep's process."""

import multiprocessing.spawn
import sys

from benchmark.sweeps.processes import _without_main


def test_a_trial_does_not_run_the_users_script_again(monkeypatch, tmp_path):
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", str(tmp_path / "script.py"), raising=False)
    monkeypatch.setattr(main, "__spec__", None)
    assert "init_main_from_path" in multiprocessing.spawn.get_preparation_data("trial")
    with _without_main():
        assert not [n for n in multiprocessing.spawn.get_preparation_data("trial") if "main" in n]
    assert sys.modules["__main__"] is main
