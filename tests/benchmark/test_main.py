"""`python -m benchmark` lists the commands. It needs no model and no tracking server."""

import pytest

from benchmark.__main__ import COMMANDS
from tests.conftest import ROOT

pytestmark = pytest.mark.process


def test_it_lists_every_command_without_loading_torch(run_command):
    done = run_command("python", "-X", "importtime", "-m", "benchmark")
    assert done.returncode == 0
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    files = (ROOT / "benchmark").glob("*.py")
    assert set(listed) == {path.stem for path in files if "cli.run(" in path.read_text()}
    assert "torch" not in done.stderr


def test_commands_that_train_nothing_do_not_load_torch(run_command):
    code = "import sys, benchmark.report, benchmark.sync, benchmark.published, benchmark.promote"
    done = run_command("python", "-c", f"{code}; print('torch' in sys.modules)")
    assert done.stdout == "False\n", done.stderr


def test_a_word_that_is_no_command_is_wrong_usage(run_command):
    done = run_command("python", "-m", "benchmark", "trian")
    assert (done.returncode, done.stdout) == (2, "")
    expected = f"Error: no command is called 'trian'; the commands are: {', '.join(COMMANDS)}"
    assert done.stderr.splitlines()[-1] == expected


def test_a_command_runs_as_by_its_own_module(run_command, here):
    (here / "undelivered").mkdir()
    for words in (["sync"], ["sync", "--no-such-option"]):
        done = run_command("python", "-m", "benchmark", *words)
        alone = run_command("python", "-m", f"benchmark.{words[0]}", *words[1:])
        assert (done.returncode, done.stdout, done.stderr) == (
            alone.returncode,
            alone.stdout,
            alone.stderr,
        )
