"""Read a result page in the layout of RecBole's published benchmark pages.

``reporting.formats.page`` writes that layout. Pages are written and corrected by hand, so spaces,
line ends, indentation and the language of a code fence may differ, and the time cost and the
logging block may be missing. Data set, model, search space, best parameters and trials are
required.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.recbole.links import is_web
from benchmark.recbole.published_page import Bar, PageError, PublishedPage, PublishedTrial
from datasets import files

LARGEST = 1_000_000  # bytes; a published page has at most a tenth of that
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
HEADING = "# Sequential Recommendation"
DATASET, MODEL, TIME = "dataset", "model", "time cost"
SPACE, BEST = "hyper-parameter searching", "best parameters"
TRIALS, LOGGING = "hyper-parameter logging", "logging result"
FORMS = {
    DATASET: "- **Dataset**: [TITLE](LINK)",
    MODEL: "- **Model**: [NAME](LINK)",
    SPACE: "- **Hyper-parameter searching** (hyper.test):",
    BEST: "- **Best parameters**:",
    TRIALS: "- **Hyper-parameter logging** (hyper.result):",
}
"""The required sections, and the line that begins each."""

ITEM = re.compile(r"\s*[-*]\s+\*\*(?P<title>[^*]+)\*\*(?P<rest>.*)")
LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)]*)\)")
PARAM = re.compile(r"(?P<name>[A-Za-z_][\w.-]*)\s*:\s*(?P<value>\S.*)")
NEXT_PARAM = re.compile(r",\s*(?=[A-Za-z_][\w.-]*\s*:)")  # not the commas within a list
# Neighbouring parts of the patterns below match different characters. Otherwise a long line that
# does not match would take quadratic time.
NUMBER = r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
METRIC = re.compile(rf"\s*(?P<name>[A-Za-z_]+(?:@\d+)?)\s*:\s*(?P<value>{NUMBER})(?=\s|$)")
BAR = re.compile(
    r"\|\s*(?P<done>\d{1,9})/\d{1,9}\s+\[+(?P<elapsed>\d{1,9}(?::\d\d){1,2})<[^,|]{0,40},\s*"
    rf"(?P<rate>\d{{1,9}}\.\d{{1,9}})(?P<unit>s/trial|trial/s),\s*best loss:\s*(?P<loss>{NUMBER})"
)


@dataclass
class _Section:
    line: int
    text: str
    """The rest of the line after the title."""
    block: list[tuple[int, str]] | None = None
    """The code block: (number, line) without indentation and empty lines; None if there is none."""


def read(path: Path) -> PublishedPage:
    """The result page in the file. Raises PageError, with FILE:LINE, if it is none."""
    content = _content(path)
    lines = re.split(r"\r\n|\r|\n", content.decode("utf-8-sig"))
    for number, line in enumerate(lines, start=1):
        if CONTROL.search(line):  # titles and names are printed to terminals
            raise _error(path, number, "text without control characters", line)
    sections = _sections(path, lines)
    for key, form in FORMS.items():
        if key not in sections:
            raise PageError(f"{path}:{len(lines)}: expected {form!r}, found no such line")
    dataset, card = _linked(path, sections, DATASET)
    model, model_link = _linked(path, sections, MODEL)
    logging = sections[LOGGING].block or [] if LOGGING in sections else []
    return PublishedPage(
        path=path,
        content=content,
        dataset=dataset,
        card=card,
        model=model,
        model_link=model_link,
        seconds=_time_cost(path, sections.get(TIME)),
        space=[line for _, line in _block(path, sections, SPACE)],
        best=dict(_param(path, *line) for line in _block(path, sections, BEST)),
        trials=_trials(path, _block(path, sections, TRIALS)),
        logging=[line for _, line in logging],
        bar=_bar(logging),
        lines={key: section.line for key, section in sections.items()},
    )


def _content(path: Path) -> bytes:
    """The bytes of the file, which are UTF-8 text. Raises PageError if they are not."""
    try:
        content = files.read(path, LARGEST)
        content.decode("utf-8-sig")
    except OSError as error:
        raise PageError(f"{path}: the page cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # UnicodeDecodeError is one, and so is a path with a zero byte
        raise PageError(f"{path}: the page cannot be read: {error}") from None
    return content


def _error(path: Path, line: int, expected: str, found: str) -> PageError:
    quoted = repr(found.strip()[:80]) if found.strip() else "nothing"
    return PageError(f"{path}:{line}: expected {expected}, found {quoted}")


def _sections(path: Path, lines: list[str]) -> dict[str, _Section]:
    """The sections by title. Raises PageError for pages of other kinds of recommendation, which
    are evaluated by other protocols."""
    first = next((n for n, line in enumerate(lines, start=1) if line.strip()), 1)
    if lines[first - 1].split() != HEADING.split():
        raise _error(path, first, repr(HEADING), lines[first - 1])
    sections: dict[str, _Section] = {}
    section: _Section | None = None
    fence = 0  # the line of the fence that is open, if there is one
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("```"):
            if not fence and section and section.block is None:
                section.block = []
            fence = 0 if fence else number
        elif fence and ITEM.fullmatch(line):
            raise _error(path, number, f"``` at the end of the block of line {fence}", line)
        elif fence:
            if section and section.block is not None and line.strip():
                section.block.append((number, line.lstrip()))
        elif item := ITEM.fullmatch(line):
            key = item["title"].strip(" :").lower()
            section = _Section(number, item["rest"].strip(" :"))
            if key in sections:
                raise _error(path, number, "each section once", line)
            sections[key] = section
    if fence:
        raise _error(path, fence, "``` at the end of this block", "")
    return sections


def _linked(path: Path, sections: dict[str, _Section], key: str) -> tuple[str, str | None]:
    """Text and target of `[text](target)`, or a text without a link."""
    section = sections[key]
    if link := LINK.fullmatch(section.text):
        if not is_web(link["target"]):
            raise _error(path, section.line, "a link that is http, https or relative", section.text)
        return link["text"], link["target"]
    if not section.text:
        raise _error(path, section.line, repr(FORMS[key]), section.text)
    return section.text, None


def _block(path: Path, sections: dict[str, _Section], key: str) -> list[tuple[int, str]]:
    section = sections[key]
    if not section.block:
        raise PageError(
            f"{path}:{section.line}: expected a block between ``` after this line, found none"
        )
    return section.block


def _time_cost(path: Path, section: _Section | None) -> float | None:
    if section is None or not section.text:
        return None
    found = re.fullmatch(rf"({NUMBER})\s*s/trial", section.text)
    if not found:
        raise _error(path, section.line, "a time cost such as 12.34s/trial", section.text)
    return float(found[1])


def _param(path: Path, number: int, text: str) -> tuple[str, str]:
    found = PARAM.fullmatch(text.strip())
    if not found:
        raise _error(path, number, "a parameter such as learning_rate:0.001", text)
    return found["name"], found["value"]


def _trials(path: Path, block: list[tuple[int, str]]) -> list[PublishedTrial]:
    """The trials of the block. Each has five lines: parameters, a title and the validation
    metrics, a title and the test metrics."""
    trials = []
    lines = iter(block)
    for number, text in lines:
        params = [_param(path, number, part) for part in NEXT_PARAM.split(text)]
        valid = _titled(path, "Valid result:", lines, number)
        test = _titled(path, "Test result:", lines, number)
        trials.append(PublishedTrial(number, dict(params), valid, test))
    return trials


def _titled(
    path: Path, title: str, lines: Iterator[tuple[int, str]], after: int
) -> dict[str, float]:
    """The metrics in the line after the title; ``after`` is the line before the title."""
    number, found = next(lines, (after, ""))
    if found.strip().lower() != title.lower():
        raise _error(path, number, repr(title), found)
    return _metrics(path, *next(lines, (number, "")))


def _metrics(path: Path, number: int, text: str) -> dict[str, float]:
    found = {}
    at = 0
    while item := METRIC.match(text, at):
        found[item["name"].lower()] = float(item["value"])
        at = item.end()
    if not found or text[at:].strip():
        raise _error(path, number, "figures such as recall@10 : 0.0831", text[at:])
    return found


def _bar(block: list[tuple[int, str]]) -> Bar | None:
    found = next((bar for _, line in block if (bar := BAR.search(line))), None)
    if not found:
        return None
    elapsed = 0
    for part in found["elapsed"].split(":"):
        elapsed = 60 * elapsed + int(part)
    rate = float(found["rate"])
    error = 0.005  # of a figure with two decimals
    if found["unit"] == "trial/s":
        error = error / rate**2 if rate else 0.0
        rate = 1 / rate if rate else 0.0
    return Bar(
        done=int(found["done"]),
        elapsed=elapsed,
        seconds_per_trial=rate,
        error=error,
        loss=float(found["loss"]),
    )
