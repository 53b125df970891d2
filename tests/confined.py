"""Runs a command with file systems, or with a limit of memory, that only this process has.

``Process(["tests.confined", MOUNTS, BYTES, "benchmark.train", ...])``: MOUNTS are shell commands,
BYTES is the limit of the address space; "" for neither.
"""

import ctypes
import os
import resource
import subprocess
import sys
from pathlib import Path

from tests.forked import run

NEW_USER, NEW_MOUNTS = 0x10000000, 0x00020000  # of unshare(2): <linux/sched.h>


def mount(commands: str) -> None:
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_USER | NEW_MOUNTS):
        raise OSError(ctypes.get_errno(), "no file system can be mounted here")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    subprocess.run(["sh", "-ec", commands], check=True)


if __name__ == "__main__":
    mounts, memory, *words = sys.argv[1:]
    if mounts:
        mount(mounts)
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    run(words)
