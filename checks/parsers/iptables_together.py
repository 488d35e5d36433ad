"""Several outputs of iptables in one text: which belong together, and which of two says how things are now.

A person lists nat, then filter, then nat again after a change. Tables listed one after another are one rule set; of a table that
comes twice the later one counts. A save says more than a listing, and a listing more than grepped lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checks.parsers.iptables_rules import Chain, Gap, RuleSet, Table

_CLOSING = re.compile(r"^# (End|Part) of: ?(.*)\n?", re.MULTILINE)
_TABLE = re.compile(r"(?:^|\s)(?:-t\s*|--table[= ])(nat|filter|mangle|raw|security)\b")
_LISTS = re.compile(r"(?:^|\s)(?:--list|--list-rules|-[a-zA-Z]*[LS])(?=\s|$)(.*)$")


@dataclass(frozen=True, slots=True)
class Part:
    """One command's output, at its own lines of the text. ``ended`` means that nothing is missing below."""

    text: str
    command: str = ""
    ended: bool = False

    @property
    def listed(self) -> str:
        """The table that the command lists; empty when it is a save, or not known."""
        if not _LISTS.search(self.command.partition("|")[0]):
            return ""
        match = _TABLE.search(self.command)
        return match[1] if match else "filter"

    @property
    def chain(self) -> str:
        """The one chain that the command shows to its end; empty when it shows a table, or was filtered.

        >>> [Part("", f"iptables {words}", True).chain for words in ("-t nat -S KUBE-SERVICES", "-nL FORWARD -v", "-nvL")]
        ['KUBE-SERVICES', 'FORWARD', '']
        """
        match = _LISTS.search(self.command)
        words = [word for word in _TABLE.sub(" ", match[1] if match else "").split() if not word.startswith("-")]
        return words[0] if self.ended and len(words) == 1 and re.fullmatch(r"[\w.-]+", words[0]) else ""

    @property
    def whole(self) -> bool:
        """True when the command shows a table from its first chain to its last, and did so to its end.

        >>> [Part("", f"sudo iptables {words}", True).whole for words in ("-t nat -nvL", "-nL FORWARD", "-S | grep KUBE")]
        [True, False, False]
        """
        match = _LISTS.search(self.command)
        return self.ended and bool(match) and not re.search(r"[|>;&]|(?:^|\s)[\w!]", _TABLE.sub(" ", match[1] if match else ""))


def parts(text: str) -> Iterator[Part]:
    """The outputs in the text: each ends at a line ``# End of: COMMAND``, or ``# Part of: COMMAND`` where more may follow."""
    start = 0
    for closing in _CLOSING.finditer(text):
        yield Part("\n" * text.count("\n", 0, start) + text[start : closing.start()], closing[2], closing[1] == "End")
        start = closing.end()
    if start == 0:
        yield Part(text)
    elif text[start:].strip():
        yield Part("\n" * text.count("\n", 0, start) + text[start:])


def of_command(found: RuleSet, part: Part) -> None:
    """What the command says of the rules it shows: their family, their backend, which chain it shows to its end."""
    command = part.command
    for table in found.tables.values() if part.chain else ():
        for chain in table.chains.values():
            chain.shown = chain.name == part.chain
    if "ip6tables" in command:
        found.family = 6
    for backend in ("nft", "legacy"):
        if found.backend == "unsuffixed" and f"tables-{backend}" in command:
            found.backend = backend


def together(sets: Sequence[RuleSet]) -> list[RuleSet]:
    """The rule sets of one text, those of one family, backend and form joined."""
    found: list[RuleSet] = []
    for each in sets:
        mate = next((other for other in found if _rank(other) == _rank(each) and _alike(other, each)), None)
        if mate is None:
            found.append(each)
        else:
            _join(mate, each)
    return found


def settled(sets: Sequence[RuleSet]) -> list[RuleSet]:
    """The sets without those that a better form of the same tables makes needless; that form's notices say so."""
    kept: list[RuleSet] = []
    for each in sets:
        better = next((other for other in sets if _covers(other, each)), None)
        if better is None:
            kept.append(each)
        else:
            what = "in a listing" if each.listing else "in lone lines"
            better.notices.append(Gap(better.line, f"{' and '.join(each.tables)}: {what} too; the fuller output is judged"))
    return kept


def _rank(found: RuleSet) -> int:
    return 0 if found.loose else 1 if found.listing else 2


def _unknown_backend(found: RuleSet) -> bool:
    return found.backend == "unsuffixed" and not found.version


def _alike(one: RuleSet, other: RuleSet) -> bool:
    known = _unknown_backend(one) or _unknown_backend(other) or one.backend == other.backend
    return known and one.family == other.family


def _covers(better: RuleSet, other: RuleSet) -> bool:
    if better is other or _rank(better) <= _rank(other) or not _alike(better, other) or not _unknown_backend(other):
        return False
    return all(name in better.tables and better.tables[name].committed for name in other.tables)


def _join(old: RuleSet, new: RuleSet) -> None:
    """Put ``new`` into ``old``. A whole table takes the place of an earlier one; single chains and lone lines are added."""
    replaced = [name for name, table in new.tables.items() if name in old.tables and _whole_table(new, table)]
    if set(replaced) == set(old.tables):
        old.gaps, old.cut = [], False
    for name, table in new.tables.items():
        if name in old.tables and name not in replaced:
            _add_chains(old, old.tables[name], table)
            continue
        if name in replaced and _shape(old.tables[name]) != _shape(table):
            old.notices.append(Gap(table.line, f"{name} is here twice and differs; the later one is judged"))
        old.tables[name] = table
    old.gaps += new.gaps
    old.cut, old.ended, old.last_line = old.cut or new.cut, old.ended or new.ended, new.last_line
    if _unknown_backend(old):
        old.tool, old.version, old.backend = new.tool, new.version, new.backend


def _whole_table(found: RuleSet, table: Table) -> bool:
    return not found.loose and any(chain.policy for chain in table.chains.values())


def _add_chains(old: RuleSet, table: Table, new: Table) -> None:
    for name, chain in new.chains.items():
        known = table.chains.get(name)
        if known is None:
            table.chains[name] = chain
        elif old.loose:
            seen = {rule.raw.strip() for rule in known.rules}
            known.rules += [rule for rule in chain.rules if rule.raw.strip() not in seen]
        else:
            if _rules(known) != _rules(chain):
                old.notices.append(Gap(_line(chain), f"{name} is here twice and differs; the later one is judged"))
            table.chains[name] = chain
    table.committed = False


def _line(chain: Chain) -> int:
    return chain.line or (chain.rules[0].line if chain.rules else 0)


def _rules(chain: Chain) -> list[tuple[object, ...]]:
    return [(rule.matches, rule.target, rule.options) for rule in chain.rules]


def _shape(table: Table) -> dict[str, tuple[str | None, list[tuple[object, ...]]]]:
    return {name: (chain.policy, _rules(chain)) for name, chain in table.chains.items()}
