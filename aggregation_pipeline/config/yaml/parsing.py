"""Text of YAML as PyYAML's nodes, by libyaml where it accepts the text.

libyaml is several times as fast as PyYAML's own parser. Its messages and their places differ, so errors are always
those of PyYAML. The nodes are made in Python: libyaml's binding would recurse in C, without a limit.
"""

import re
from contextlib import suppress
from typing import Final

import yaml
from yaml.composer import Composer

if yaml.__with_libyaml__:

    class _FastLoader(Composer, yaml.CSafeLoader):
        def __init__(self, text: str) -> None:
            yaml.CSafeLoader.__init__(self, text)
            Composer.__init__(self)


# Where libyaml accepts more than PyYAML, or gives a node another place or tag: tabs, marks of the byte order, question
# marks, a comment right behind | or >, and tags.
_TAKEN_OTHERWISE: Final = re.compile(r"[\t\ufeff?]|[|>][-+0-9]*#|(?<![^\s\[\]{},:-])!(?!=)")


def parse(text: str) -> yaml.Node | None:
    """The node of the only document, None for an empty one. The style of a plain scalar is None or empty.

    Raises:
        yaml.YAMLError: the text is not YAML.
        RecursionError: it is nested too deeply.
    """
    if yaml.__with_libyaml__ and not _TAKEN_OTHERWISE.search(text):
        with suppress(yaml.YAMLError):
            node = _FastLoader(text).get_single_node()
            if isinstance(node, yaml.MappingNode):  # an empty value at the end of a file has another place
                return node
    return yaml.compose(text, Loader=yaml.SafeLoader)
