"""Links of anybody's runs: only to the web, or relative to the report."""

import html
import re

from datasets.errors import visible

SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)\s*:")
# Markdown reads escapes and entities in a target; a space or a bracket ends it.
TARGET = re.compile(r"(?:\]\(|\]:|<)\s*<?\s*([^\s<>]*)")  # of links, references and <links>
HTML_ATTRIBUTE = re.compile(r"<[A-Za-z][^<>=]*=")
NOT_IN_TARGETS = re.compile(r"[\s\\<>()\"'`|\[\]]|&(?=[#\w]+;)")


def is_web(target: str) -> bool:
    """Whether the target of a link is http, https or relative: nothing that a browser would run."""
    scheme = SCHEME.match(html.unescape(target).replace("\\", ""))
    return scheme is None or scheme[1].lower() in ("http", "https")


def harmless(markdown: str) -> bool:
    """Whether it is safe to publish a Markdown text unchanged.

    It has no other links, no HTML with attributes, and no characters that are not shown.
    """
    lines = re.split(r"\r\n|\r|\n", markdown.removeprefix("\ufeff").replace("\t", " "))
    if any(visible(line) != line for line in lines):
        return False
    targets = TARGET.findall(html.unescape(markdown))
    return all(map(is_web, targets)) and not HTML_ATTRIBUTE.search(markdown)


def quoted(target: str) -> str:
    """The target with percent-encoding of what Markdown does not take literally."""
    return NOT_IN_TARGETS.sub(lambda found: "".join(f"%{b:02X}" for b in found[0].encode()), target)
