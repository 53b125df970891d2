"""`python -m benchmark` lists the commands. It needs no model and no tracking server."""

import pytest

from benchmark.__main__ import COMMANDS, OF_DATASETS
from tests.conftest import ROOT

pytestmark = pytest.mark.process


def test_it_lists_every_command_without_loading_torch(run_command):
    done = run_command("python", "-X", "importtime", "-m", "benchmark")
    assert done.returncode == 0
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    for folder, mark, known in (
        ("benchmark", "cli.run(", COMMANDS),
        ("datasets", "@click.command(", OF_DATASETS),
    ):
        files = (ROOT / folder).glob("*.py")
        assert set(known) == {path.stem for path in files if mark in path.read_text()}
    assert listed == [*COMMANDS, *OF_DATASETS]
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "torch" not in done.stderr


LOADED_BY_HELP = """
import importlib, sys
for name in sys.argv[1:]:
    command = getattr(importlib.import_module(f"benchmark.{name}"), name)
    assert command.main(["--help"], standalone_mode=False) == 0
print("loaded:", *{name.partition(".")[0] for name in sys.modules})
"""
SLOW = {"torch", "mlflow", "pandas", "pyarrow", "scipy", "matplotlib", "plotly", "ray", "sklearn"}


def test_help_fits_a_terminal_and_waits_for_no_slow_package(run_command):
    done = run_command("python", "-c", LOADED_BY_HELP, *COMMANDS, COLUMNS="80")
    assert done.stdout.count("Usage: ") == len(COMMANDS), done.stderr
    *lines, last = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    loaded = set(last.split()[1:])
    assert loaded & (SLOW | {"benchmark"}) == {"benchmark"}


def test_commands_that_read_and_deliver_do_not_load_torch(run_command, store, here):
    code = """
import sys
from benchmark import published, report, sync
from benchmark.errors import UserError
words = {report.report: ["--experiment", "none"], published.published: ["none.md"], sync.sync: []}
for command in words:
    try:
        command.main(words[command], standalone_mode=False)
    except UserError as error:
        print("error:", error)
print("loaded:", *{"torch", "mlflow"} & set(sys.modules))
"""
    done = run_command("python", "-c", code)
    assert done.stdout.count("error: ") == 2, done.stderr
    assert "undelivered: nothing to deliver\nloaded: mlflow\n" in done.stdout


def test_a_word_that_is_no_command_is_wrong_usage(run_command):
    done = run_command("python", "-m", "benchmark", "trian")
    assert (done.returncode, done.stdout) == (2, "")
    known = ", ".join([*COMMANDS, *OF_DATASETS])
    expected = f"Error: no command is called 'trian'; the commands are: {known}"
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
