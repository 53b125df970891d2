"""Coverage-guided fuzzing of the functions that read files from other people.

    python -m bench.fuzz reader folder-of-examples -max_total_time=600

The first argument is a key of TARGETS; the others are libFuzzer's. Requires the package atheris, in
a separate environment. For any content of the file, the function returns, or raises its documented
error with a message of one line. Anything else stops the fuzzer, which writes the content to a file
crash-*.
"""

import sys
import tempfile
from pathlib import Path

import atheris

# Only modules that are imported here for the first time are instrumented.
with atheris.instrument_imports(include=["datasets", "benchmark", "yaml", "zipfile"]):
    from benchmark.errors import UserError
    from benchmark.leaderboards import exchange
    from benchmark.recbole import contradictions, page
    from benchmark.sweeps import space, suite_file
    from datasets import DataError, cache
    from datasets.describing import guess
    from datasets.reading import layouts, readers
    from datasets.specs import spec
    from tests.datasets.test_lines import by_python, by_us

FOLDER = Path(tempfile.mkdtemp())
NAMED = {"user": "u", "item": "i", "timestamp": "t"}
COLUMNS = dict.fromkeys(layouts.GENERIC_READERS, NAMED) | {"sequences": {"user": 1, "item": 2}}
TOKENS = ("u", ",", '"', "\n", "\r\n", " ", "é")


def file(name: str, content: bytes) -> Path:
    (FOLDER / name).write_bytes(content)
    return FOLDER / name


def read_data(content: bytes) -> None:
    """Read an interaction file. The first byte chooses the layout, the second the compression."""
    reader = layouts.READERS[content[0] % len(layouts.READERS)]
    layout = layouts.LAYOUTS.get(reader) or layouts.layout_of(reader, COLUMNS[reader])
    path = file("f" + ("", ".gz", ".zip")[content[1] % 3], content[2:])
    if reader in layouts.GENERIC_READERS:
        layout = layout.also(["e"])
    for batch in readers.read(path, readers.with_unit(path, layout)):
        assert all(1 <= len(user) <= layouts.LONGEST_ID for user in batch["user"].to_pylist())


def read_lines(content: bytes) -> None:
    """Read a CSV file in blocks of a few bytes, and compare with Python's csv module. The first
    byte chooses the size of the blocks, each other byte is a token."""
    lines = "u,i,t\n" + "".join(TOKENS[byte % len(TOKENS)] for byte in content[1:])
    assert by_us(file("f", lines.encode()), 1 + content[0] % 32) == by_python(lines)


def read_spec(content: bytes) -> None:
    """Read the YAML file of a data set, and compute the path of its cache."""
    described = spec.read(str(file("f.yaml", content)))
    cache.path_of(described, None)


def read_page(content: bytes) -> None:
    """Read a published page, and search it for contradictions."""
    contradictions.contradictions(page.read(file("f.md", content)))


def guess_layout(content: bytes) -> None:
    """Guess how to read a file of any content. The first byte chooses the compression."""
    path = file("f" + ("", ".gz", ".zip")[content[0] % 3], content[1:])
    spec.Source("f", **guess.guess(path).source).layout()


TARGETS = {
    "guess": guess_layout,
    "reader": read_data,
    "lines": read_lines,
    "spec": read_spec,
    "space": lambda content: space.lines(space.read(file("f.test", content))),
    "space-yaml": lambda content: space.lines(space.read(file("f.yaml", content))),
    "page": read_page,
    "leaderboard": lambda content: exchange.dump(exchange.load(file("f.json", content))),
    "suite": lambda content: suite_file.read(str(file("f.yaml", content))),
}


def main() -> None:
    target = TARGETS[sys.argv.pop(1)]

    def once(content: bytes) -> None:
        if len(content) == 1:  # read_data needs two bytes
            return
        try:
            target(content or b"\0\0")
        except (DataError, UserError) as error:
            message = str(error)
            assert len(message.splitlines()) == 1, message
            assert len(message) < 2000, message

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
