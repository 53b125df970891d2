"""Files appear whole or not at all, whoever else writes them, and whatever a killed writer left."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Barrier, Thread

import pytest

from datasets import files

ROOT = Path(__file__).parents[2]


def test_two_writers_of_one_path_leave_the_whole_file_of_the_last(tmp_path):
    path = tmp_path / "out"
    both_write = Barrier(2)

    def write(letter: str) -> None:
        with files.replacing(path) as part, open(part, "w") as out:
            out.write(letter * 1000)
            both_write.wait()
            out.write(letter * 1000)

    writers = [Thread(target=write, args=[letter]) for letter in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_text() in ("a" * 2000, "b" * 2000)
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path):
    path = tmp_path / "out"
    files.write(path, "old")
    with pytest.raises(KeyError), files.replacing(path) as part:
        part.write_text({}["content"])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path):
    target = tmp_path / "elsewhere" / "target"
    target.parent.mkdir()
    path = tmp_path / "out"
    path.symlink_to(target)
    files.write(path, b"new")
    assert path.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_file_has_the_permissions_that_any_new_file_has(tmp_path):
    (tmp_path / "any").touch()
    files.write(tmp_path / "out", "")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "any").stat().st_mode


@pytest.mark.process
def test_what_a_killed_writer_left_is_removed_and_a_living_one_is_not_disturbed(tmp_path):
    path = tmp_path / "out"
    code = f"""
from datasets import files
with files.replacing({str(path)!r}) as part:
    part.write_text("half")
    print("writing", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        [part] = tmp_path.iterdir()
        files.write(path, "whole")
        assert set(tmp_path.iterdir()) == {part, path}  # the other one lives
        writer.kill()
        writer.wait()
        files.write(path, "again")
        assert list(tmp_path.iterdir()) == [path]


def test_what_is_not_a_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is not a file"):
        files.write(tmp_path / "pipe", "text")
    assert os.listdir(tmp_path) == ["pipe"]
