"""List the commands, or run one.

python -m benchmark
python -m benchmark train --dataset demo     # the same as: python -m benchmark.train ...
"""

import runpy
import sys

import datasets

COMMANDS = {
    "train": "Train a model on a data set, as a tracked trial.",
    "sweep": "Search settings: many trials, each a nested run.",
    "compare": "Compare all models on a data set, equally tuned; write a report.",
    "suite": "Compare models on many data sets, which a file names.",
    "report": "Rank the trials of an experiment, and write a report.",
    "leaderboard": "Compare models over many data sets, and write a page.",
    "diff": "Compare the results of two states of the code.",
    "promote": "Register the best model of an experiment as champion.",
    "score": "Score what another library recommends, to compare with.",
    "published": "Log RecBole's published result pages, to compare with.",
    "recommend": "Recommend items to many users with a registered model.",
    "sync": "Deliver what trials could not log during an outage of the server.",
    "check": "Check that a model of your own fulfils the contract.",
    "card": "Print the card of a data set, and how sequential the data are.",
    "speed": "Measure how fast a trial trains and evaluates on this machine.",
}
"""The commands, each a file of this folder with the same name, and what they do."""

OF_DATASETS = {
    "prepare": "Download and prepare a data set, and write its card.",
    "export": "Write the split of a data set for other libraries.",
}
"""The commands of the folder datasets, in the same way."""

USAGE = "Usage: python -m benchmark COMMAND [OPTIONS]"


def main(words: list[str]) -> int:
    """List the commands, or run the one that ``words`` begin with; the exit code."""
    if not words or words[0] in ("--help", "-h"):
        every = COMMANDS | OF_DATASETS
        width = max(map(len, every))
        lines = [f"  {name:{width}}  {summary}" for name, summary in every.items()]
        print("\n".join([USAGE, "", "Commands:", *lines]))
        print("\nOptions of a command: python -m benchmark COMMAND --help")
        return 0
    name, *options = words
    if name not in COMMANDS | OF_DATASETS:
        known = ", ".join(COMMANDS | OF_DATASETS)
        message = f"no command is called {name!r}; the commands are: {known}"
        print(f"{USAGE}\n\nError: {message}", file=sys.stderr)
        return 2
    sys.argv[1:] = options
    folder = __package__ if name in COMMANDS else datasets.__name__
    runpy.run_module(f"{folder}.{name}", run_name="__main__", alter_sys=True)
    return 0


def console() -> int:
    """The command `seqrec` of the installed package."""
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
