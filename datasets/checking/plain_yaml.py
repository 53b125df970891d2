"""YAML files from unknown authors: plain values only, in bounded time and memory."""

import re
from pathlib import Path
from typing import Any

import yaml

from datasets import files
from datasets.errors import DataError, in_project, one_line, twice

MAX_BYTES = 1_000_000  # of a file; our own have a thousand
LONGEST_NUMBER = 100  # characters; YAML's base-60 numbers take quadratic time
TEXT_TAG = "tag:yaml.org,2002:str"
# What PyYAML's constructors raise for an invalid value: ValueError for 30 February, IndexError for
# an empty !!int, KeyError for an unknown !!bool, AttributeError for !!timestamp x.
INVALID_VALUE = (ValueError, LookupError, AttributeError, TypeError, ArithmeticError)


def read(path: Path) -> object:
    """The content of the file: mappings, lists, text, numbers, dates, None.

    Raises DataError, in one line, if the file cannot be read or is not plain YAML: no objects, no
    references, no duplicate keys.
    """
    try:
        content = files.read(path, MAX_BYTES)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file{in_project(path)}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    try:
        return yaml.load(content.decode("utf-8-sig"), _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else path
        raise _yaml_error(where, error.problem or error.context or "invalid") from None
    except RecursionError:
        raise _yaml_error(path, "nested too deeply") from None
    except UnicodeDecodeError:
        raise _yaml_error(path, "not UTF-8 text") from None
    except yaml.YAMLError as error:  # a character that YAML forbids
        raise _yaml_error(path, str(error)) from None


def _yaml_error(where: str | Path, reason: str) -> DataError:
    reason = one_line(reason)
    return DataError(f"{where}: cannot be read as YAML: {reason}")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the limits of this module."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse references, of which a few lines can expand to gigabytes, and long numbers."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            problem = f"references (&{event.anchor:.20}, *{event.anchor:.20}) are not supported"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        node = super().compose_node(parent, index)
        long = isinstance(node, yaml.ScalarNode) and len(node.value) > LONGEST_NUMBER
        if node is not None and long and node.tag != TEXT_TAG:
            problem = f"a number or date of more than {LONGEST_NUMBER} characters"
            raise yaml.composer.ComposerError(None, None, problem, node.start_mark)
        return node

    def construct_whole(self, node: yaml.ScalarNode) -> int | str:
        """1:30 is text, and not 90: YAML 1.1's numbers to the base of 60 surprise. So is 010."""
        text = str(node.value)
        odd = ":" in text or re.match(r"[-+]?0[0-7_]", text)
        return text if odd else int(self.construct_yaml_int(node))

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Turn whatever PyYAML raises for an invalid value into an error with its line."""
        try:
            return super().construct_object(node, deep)
        except INVALID_VALUE as error:
            problem = str(error) if isinstance(error, ValueError) else f"no value of {node.tag}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse duplicate keys, which YAML forbids; PyYAML would take the last one."""
        mapping = super().construct_mapping(node, deep)
        if len(mapping) != len(node.value):
            keys = [self.construct_object(key) for key, _ in node.value]
            key = twice(keys)
            problem = f"duplicate key {key!s:.40} in this mapping"
            mark = node.value[keys.index(key, keys.index(key) + 1)][0].start_mark
            raise yaml.constructor.ConstructorError(None, None, problem, mark)
        return mapping


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole)
