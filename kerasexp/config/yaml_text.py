"""YAML as people write it: strict about duplicate keys and depth, with messages that name the file and the line."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from kerasexp.errors import UsageError

DEEPEST = 100  # levels of a YAML file: libyaml's own stack overflows at some ten thousand, and the process with it

# libyaml where PyYAML has it: ten times faster, which the longest list of claims needs
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """YAML that refuses duplicate keys and deep nesting, and reads 1e-3 as a number."""

    source = ""  # what messages call the text
    depth = 0  # of the node that is being read

    def descend_resolver(self, current_node: yaml.Node | None, current_index: Any) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.YAMLError(f"it is nested deeper than {DEEPEST} levels")
        super().descend_resolver(current_node, current_index)

    def ascend_resolver(self) -> None:
        self.depth -= 1
        super().ascend_resolver()


def _unique_mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        where = f"{loader.source}, line {key_node.start_mark.line + 1}"
        if not isinstance(key, Hashable):
            raise UsageError(f"{where}: {key!r} cannot be a key. Expected a name.")
        if key in seen:
            raise UsageError(f"{where}: duplicate key {key!r}.")
        seen.add(key)
    return _Base.construct_mapping(loader, node, deep)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d[\d_]*\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def parse_yaml(text: str, source: str) -> Any:
    """Parses YAML.

    Raises:
        UsageError: if the text is no YAML or repeats a key; `source` names it in the message.
    """
    try:
        loader = _Loader(text)
        loader.source = source
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:  # the last three of 2024-13-45, !!bool x
        reason = " ".join(str(error).split()).replace('"<unicode string>"', "it")
        raise UsageError(f"{source} is no valid YAML: {reason}") from None


def read_text(path: str | Path) -> str:
    """The text of a file that the user names.

    Raises:
        UsageError: if it cannot be read or is no UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} cannot be read: it is no UTF-8 text ({error.reason} at {error.start:,}).") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
