"""Read a result page in the layout of RecBole's published benchmark pages; ``page`` writes it.

Pages are written and mended by hand, so what differs between them is taken as it comes: spaces,
line ends, indentation, the language of a code fence, a missing time cost or logging block. What
is needed to say who reached what is not: without it a file is no such page.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import click


class PageError(click.ClickException):
    """A file is no result page. The message says where, what was expected and what was found."""


@dataclass(frozen=True)
class PublishedTrial:
    line: int
    params: dict[str, str]
    """As written, in the order of the page."""
    valid: dict[str, float]
    """By name, such as recall@10."""
    test: dict[str, float]


@dataclass(frozen=True)
class Bar:
    """The progress bar at the end of a search."""

    done: int
    elapsed: int
    """Seconds, cut off."""
    seconds_per_trial: float
    error: float
    """By which that may differ from what it was before it was rounded."""
    loss: float
    """Minus the best validation score."""

    @property
    def agrees(self) -> bool:
        """Whether its time is that of its trials, as far as rounding lets one say."""
        return -self._slack <= self._total - self.elapsed <= 1 + self._slack

    @property
    def seconds(self) -> float:
        """In all: the most precise that agrees with both of its figures."""
        if not self.agrees:
            return self._total
        return min(max(self._total, self.elapsed), self.elapsed + 0.999)

    @property
    def _total(self) -> float:
        return self.done * self.seconds_per_trial

    @property
    def _slack(self) -> float:
        return self.done * self.error


@dataclass(frozen=True)
class PublishedPage:
    path: Path
    content: bytes
    dataset: str
    card: str | None
    """Link to the page that describes the data set."""
    model: str
    model_link: str | None
    seconds: float | None
    """Per trial."""
    space: list[str]
    """Lines of a hyper.test, as written."""
    best: dict[str, str]
    trials: list[PublishedTrial]
    logging: list[str]
    """Lines of the block that ends the page; none if it has none."""
    bar: Bar | None
    lines: dict[str, int]
    """Where each section begins, by its title in lower case."""

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def where(self, line: int | str) -> str:
        """FILE:LINE of a line or a section."""
        return f"{self.path}:{line if isinstance(line, int) else self.lines[line]}"


LARGEST = 1_000_000  # bytes; the published ones have a tenth at most
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
}  # the sections that a page cannot do without

ITEM = re.compile(r"\s*[-*]\s+\*\*(?P<title>[^*]+)\*\*(?P<rest>.*)")
LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)]*)\)")
PARAM = re.compile(r"(?P<name>[A-Za-z_][\w.-]*)\s*:\s*(?P<value>\S.*)")
NEXT_PARAM = re.compile(r",\s*(?=[A-Za-z_][\w.-]*\s*:)")  # a comma within a list is none
# No two neighbours in these take the same characters: trying each way to share them out would take
# quadratic time.
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
    """What follows the title on its line."""
    block: list[tuple[int, str]] | None = None
    """(number, line) within its fence, without indentation and empty lines."""


def read(path: Path) -> PublishedPage:
    """Raises PageError with FILE:LINE if the file is no result page."""
    try:
        with open(path, "rb") as stream:
            content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:  # UnicodeDecodeError is one
        reason = getattr(error, "strerror", None) or error
        raise PageError(f"{path}: the page cannot be read: {reason}") from None
    lines = re.split(r"\r\n|\r|\n", text)
    for number, line in enumerate(lines, start=1):
        if CONTROL.search(line):  # titles and names are printed
            raise _error(path, number, "text without control characters", line)
    sections = _sections(path, lines)
    for key, form in FORMS.items():
        if key not in sections:
            raise PageError(f"{path}:{len(lines)}: expected {form!r}, found no such line")
    dataset, card = _linked(path, sections, DATASET)
    model, model_link = _linked(path, sections, MODEL)
    logging = sections[LOGGING].block or [] if LOGGING in sections else []
    return PublishedPage(
        path,
        content,
        dataset,
        card,
        model,
        model_link,
        _time_cost(path, sections.get(TIME)),
        [line for _, line in _block(path, sections, SPACE)],
        dict(_param(path, *line) for line in _block(path, sections, BEST)),
        _trials(path, sections[TRIALS].line, _block(path, sections, TRIALS)),
        [line for _, line in logging],
        _bar(logging),
        {key: section.line for key, section in sections.items()},
    )


def _error(path: Path, line: int, expected: str, found: str) -> PageError:
    found = repr(found.strip()[:80]) if found.strip() else "nothing"
    return PageError(f"{path}:{line}: expected {expected}, found {found}")


def _sections(path: Path, lines: list[str]) -> dict[str, _Section]:
    """By title; a page of another kind of recommendation was not evaluated as these are."""
    first = next((n for n, line in enumerate(lines, start=1) if line.strip()), 1)
    if lines[first - 1].split() != HEADING.split():
        raise _error(path, first, repr(HEADING), lines[first - 1])
    sections: dict[str, _Section] = {}
    section, fence = None, 0
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("```"):
            if not fence and section and section.block is None:
                section.block = []
            fence = 0 if fence else number
        elif fence and ITEM.fullmatch(line):
            raise _error(path, number, f"``` at the end of the block of line {fence}", line)
        elif fence:
            if section and line.strip():
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
    """`[text](target)`, or a text without a link."""
    section = sections[key]
    if link := LINK.fullmatch(section.text):
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


def _trials(path: Path, line: int, block: list[tuple[int, str]]) -> list[PublishedTrial]:
    """Of each its parameters, its validation figures and its test figures, in five lines."""
    trials = []
    left = iter(block)
    for number, text in left:
        params = [_param(path, number, part) for part in NEXT_PARAM.split(text)]
        figures = {}
        for title in ("Valid result:", "Test result:"):
            at, found = next(left, (number, ""))
            if found.strip().lower() != title.lower():
                raise _error(path, at, repr(title), found)
            figures[title] = _metrics(path, *next(left, (at, "")))
        trials.append(PublishedTrial(number, dict(params), *figures.values()))
    return trials


def _metrics(path: Path, number: int, text: str) -> dict[str, float]:
    found, at = {}, 0
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
    rate, error = float(found["rate"]), 0.005  # two decimals are shown
    if found["unit"] == "trial/s":
        rate, error = (1 / rate, error / rate**2) if rate else (0.0, 0.0)
    return Bar(int(found["done"]), elapsed, rate, error, float(found["loss"]))
