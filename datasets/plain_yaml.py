"""YAML that somebody else wrote: values and nothing more, in bounded time and memory."""

from pathlib import Path

import yaml

from datasets.errors import LONGEST_QUOTE, DataError

LARGEST = 1_000_000  # bytes; ours are a thousandth of that
LONGEST_NUMBER = 100  # characters; numbers to the base 60, which YAML has, take quadratic time
TEXT = "tag:yaml.org,2002:str"


def read(path: Path) -> object:
    """What the file holds: mappings, lists, text, numbers, dates, None.

    Raises DataError, in one line, for whatever else it is: no objects, no references, no key that
    is there twice.
    """
    try:
        with open(path, "rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from None
    if len(content) > LARGEST:
        raise DataError(f"{path}: cannot be read as YAML: more than {LARGEST:,} bytes")
    try:
        return yaml.load(content.decode("utf-8-sig"), _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else path
        raise _error(where, error.problem or error.context) from None
    except RecursionError:
        raise _error(path, "nested too deeply") from None
    except UnicodeDecodeError:
        raise _error(path, "not UTF-8 text") from None
    except yaml.YAMLError as error:  # a character that YAML does not have
        raise _error(path, str(error)) from None


def _error(where: str | Path, reason: str) -> DataError:
    reason = " ".join(reason.split())[:LONGEST_QUOTE]
    return DataError(f"{where}: cannot be read as YAML: {reason}")


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent, index):
        """References are refused: a few lines of them are a document of gigabytes."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            problem = f"references (&{event.anchor:.20}, *{event.anchor:.20}) are not taken"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        node = super().compose_node(parent, index)
        scalar = isinstance(node, yaml.ScalarNode)
        if scalar and node.tag != TEXT and len(node.value) > LONGEST_NUMBER:
            problem = f"a number or date of more than {LONGEST_NUMBER} characters"
            raise yaml.composer.ComposerError(None, None, problem, node.start_mark)
        return node

    def construct_object(self, node, deep=False):
        """Values that are none raise whatever comes: ValueError for 30 February, IndexError for
        an empty !!int."""
        try:
            return super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:
            problem = str(error) if isinstance(error, ValueError) else f"no value of {node.tag}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    def construct_mapping(self, node, deep=False):
        """YAML forbids a key that is there twice; PyYAML takes the last."""
        mapping = super().construct_mapping(node, deep)
        if len(mapping) != len(node.value):
            problem = "a key is there twice in this mapping"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return mapping
