"""Coverage-guided fuzzing of all that reads what others wrote.

python -m bench.fuzz reader folder-of-examples -max_total_time=600

Needs atheris, in an environment of its own. Whatever the bytes, there is a result or the one error
that is documented, on one line; anything else ends the run and leaves the bytes in a file crash-*.
"""

import sys
import tempfile
from pathlib import Path

import atheris

from benchmark.recbole import page

with atheris.instrument_imports(include=["datasets", "benchmark", "yaml", "zipfile"]):
    from benchmark.recbole import contradictions
    from benchmark.sweeps import space
    from datasets import DataError, cache, formats, readers, spec

FOLDER = Path(tempfile.mkdtemp())


def file(name: str, content: bytes) -> Path:
    (FOLDER / name).write_bytes(content)
    return FOLDER / name


def read_data(content: bytes) -> None:
    """The first two bytes say which format it is, and how it is packed."""
    reader = formats.READERS[content[0] % len(formats.READERS)]
    layout = formats.FORMATS.get(reader) or formats.layout(reader, {"user": "u", "item": "i"})
    path = file("f" + ("", ".gz", ".zip")[content[1] % 3], content[2:])
    for batch in readers.read(path, layout):
        assert all(1 <= len(user) <= formats.LONGEST_ID for user in batch["user"].to_pylist())


def read_spec(content: bytes) -> None:
    described = spec.read(str(file("f.yaml", content)))
    cache.place(described, None, None)


def read_page_(content: bytes) -> None:
    contradictions.contradictions(page.read(file("f.md", content)))


TARGETS = {
    "reader": read_data,
    "spec": read_spec,
    "space": lambda content: space.lines(space.read(file("f.test", content))),
    "space-yaml": lambda content: space.lines(space.read(file("f.yaml", content))),
    "page": read_page_,
}


def main() -> None:
    target = TARGETS[sys.argv.pop(1)]

    def once(content: bytes) -> None:
        try:
            target(content or b"\0\0") if len(content) != 1 else None
        except (DataError, space.SpaceError, page.PageError) as error:
            message = getattr(error, "message", str(error))
            assert len(message.splitlines()) == 1, message
            assert len(message) < 2000, message

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
