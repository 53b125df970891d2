"""Runs a command that waits a tenth of the time for a dead process, or for a server to come back.

``Process(["tests.hasty", "benchmark.sweep", ...])``
"""

import runpy
import sys

from benchmark.tracking import heartbeat
from benchmark.tracking.outbox import outbox

if __name__ == "__main__":
    heartbeat.BEAT /= 10
    heartbeat.DEAD_AFTER /= 10
    outbox.PAUSES = tuple(pause / 10 for pause in outbox.PAUSES)
    module, *options = sys.argv[1:]
    sys.argv[1:] = options
    sys.orig_argv = [sys.executable, "-m", module, *options]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
