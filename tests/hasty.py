"""Runs a command that waits a tenth of the time for a dead process, or for a server to come back.

``Process(["tests.hasty", "benchmark.sweep", ...])``
"""

import sys

from benchmark.tracking import heartbeat
from benchmark.tracking.outbox import outbox
from tests.forked import run

if __name__ == "__main__":
    heartbeat.BEAT /= 10
    heartbeat.DEAD_AFTER /= 10
    outbox.PAUSES = tuple(pause / 10 for pause in outbox.PAUSES)
    run(sys.argv[1:])
