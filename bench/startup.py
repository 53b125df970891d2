"""Measure what commands pay before they work: the CPU time of --help, and the imports.

python -m bench.startup                                       # --help of every command
python -m bench.startup benchmark.report --experiment demo    # the imports of one command
"""

import os
import re
import resource
import subprocess
import sys
from collections import defaultdict

from benchmark.__main__ import COMMANDS, OF_DATASETS

TIMES = 3  # runs of each command; the fastest counts
LEAST = 0.02  # seconds of a package that is shown
LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)")


def modules() -> list[str]:
    """The modules of all commands."""
    of_benchmark = [f"benchmark.{name}" for name in COMMANDS]
    return ["benchmark", *of_benchmark, *(f"datasets.{name}" for name in OF_DATASETS)]


def cpu_seconds(words: list[str]) -> float:
    """The CPU time of a command of Python, user and system."""
    before = _of_children()
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
    return _of_children() - before


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def imports(words: list[str]) -> dict[str, float]:
    """The seconds that a command took to import each package, without what that imports."""
    command = [sys.executable, "-X", "importtime", "-m", *words]
    found = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if found.returncode:
        sys.exit(f"Error: the command failed: {found.stderr.splitlines()[-1]}")
    seconds: dict[str, float] = defaultdict(float)
    for microseconds, module in LINE.findall(found.stderr):
        package = module.partition(".")[0]
        name = "Python itself" if package in sys.stdlib_module_names else package
        seconds[name] += int(microseconds) / 1e6
    return seconds


def main(words: list[str]) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    if words:
        for seconds, package in sorted(((s, p) for p, s in imports(words).items()), reverse=True):
            if seconds >= LEAST:
                print(f"{seconds:6.2f}  {package}")
        return
    for module in modules():
        seconds = min(cpu_seconds(["-m", module, "--help"]) for _ in range(TIMES))
        print(f"{seconds:6.2f}  {module}")


if __name__ == "__main__":
    main(sys.argv[1:])
