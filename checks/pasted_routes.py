r"""What prompts around an output of ip add to it: its end, and the table that ``ip route show table 100`` leaves out.

>>> main = Block("default via 192.0.2.1 dev eth0\n", 2, 2, "ip route", ended=True)
>>> vpn = Block("default dev wg0 scope link\n", 4, 4, "ip route show table 100", ended=True)
>>> route_dumps("route4", [main, vpn])
['default via 192.0.2.1 dev eth0\ndefault dev wg0 scope link table 100\n== end\n']
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from checks.commands import sections
from checks.pasted import Block

_ASKED = re.compile(r"\bip\b.* (?:table|t) (\S+)")
_MAIN = ("main", "254")
_CLOSED = ("link", "addr", "addr_again", "neigh", "neigh_again", "rule4", "rule6", "fdb")


def route_dumps(name: str, blocks: Sequence[Block]) -> list[str]:
    """One dump of what the blocks hold together; their texts apart when two of them answer one question.

    Our collectors' closing line is added where prompts show that nothing is missing below, in the main table at least.
    """
    tables = [_table(block.command) for block in blocks]
    if "all" in tables and len(tables) > tables.count("all"):
        return route_dumps(name, [block for block, table in zip(blocks, tables, strict=True) if table == "all"])
    texts = [_with_table(block.text, table) for block, table in zip(blocks, tables, strict=True)]
    whole = [block.ended and name in sections(block.command) for block in blocks]
    if len(set(tables)) < len(tables) or len({block.host for block in blocks if block.host}) > 1:
        ends = ["== end\n" * (ended and not _is_json(text)) for text, ended in zip(texts, whole, strict=True)]
        return list(dict.fromkeys(text + end for text, end in zip(texts, ends, strict=True)))
    shows_main = bool({"", "all"} & set(tables))
    return ["".join(texts) + "== end\n" * (all(whole) and shows_main and not _is_json(texts[0]))]


def with_end(name: str, block: Block) -> str:
    """The output, with our collectors' closing line where the next prompt shows its end and no filter stood in its command."""
    names = sections(block.command)
    of_devices = name == "link" and "addr" in names and not re.search(r" -(?:[46]|f\w*)\b", block.command)
    part = re.search(r" dev (?!flannel|vxlan)" if name in ("neigh", "fdb") else " dev ", block.command)
    whole = block.ended and not part and (of_devices or (name in _CLOSED and name in names))
    return block.text + "== end\n" * (whole and not _is_json(block.text))


def _is_json(text: str) -> bool:
    return text.lstrip().startswith("[")


def _table(command: str) -> str:
    """The table that was asked for; empty for the main one."""
    asked = _ASKED.search(command)
    return asked[1] if asked and asked[1] not in _MAIN else ""


def _with_table(text: str, table: str) -> str:
    if table in ("", "all"):
        return text
    if _is_json(text):
        return re.sub(r'\{(?=\s*"(?:type|dst)":)', f'{{"table":"{table}",', text)
    return "".join(
        line if line[:1].isspace() or " table " in line else _named(line, table) for line in text.splitlines(keepends=True)
    )


def _named(line: str, table: str) -> str:
    """The table goes before the legs that ``-o`` joins to a route."""
    route, leg, rest = line.rstrip("\n").partition("\\")
    return f"{route.rstrip()} table {table} {leg}{rest}".rstrip() + "\n" * line.endswith("\n")
