"""The grid of a run: rows are checks, columns are hosts; over sixty hosts a column is a group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from django.utils.translation import gettext as _

from runbooks.presenters.database import Cell, HostRow, RunRows
from runbooks.presenters.over_hosts import HOSTS_MAX, shown_over_hosts
from runbooks.presenters.shown import LABELS, Shown, label
from runbooks.presenters.words import number, visible

FEW = 8


@dataclass(frozen=True)
class GridColumn:
    """A host, or a whole group."""

    text: str
    title: str
    hidden: bool = False
    starts_group: bool = False


@dataclass(frozen=True)
class GridGroup:
    """A heading over the columns of one group."""

    name: str
    hosts: int
    columns: int


@dataclass(frozen=True)
class GridCell:
    """``say`` explains the cell in one line; ``share`` stands in a group's cell."""

    shown: Shown
    label: str
    say: str
    host: int | None = None
    share: str = ""
    starts_group: bool = False


@dataclass(frozen=True)
class GridRow:
    """A check."""

    check: str
    number: int
    title: str
    cells: tuple[GridCell, ...]


@dataclass(frozen=True)
class LegendEntry:
    """How often a verdict stands in the grid."""

    shown: Shown
    label: str
    count: str


@dataclass(frozen=True)
class GridView:
    """The whole grid. ``selected`` is the cell that the line under it explains at first: the worst one."""

    groups: tuple[GridGroup, ...]
    columns: tuple[GridColumn, ...]
    rows: tuple[GridRow, ...]
    legend: tuple[LegendEntry, ...]
    selected: GridCell | None
    by_group: bool
    few: bool


def grid(rows: RunRows, titles: Mapping[str, tuple[int, str]]) -> GridView | None:
    """The grid, or None for a single host. ``titles`` gives each check's number and short title."""
    if len(rows.hosts) < 2:
        return None
    groups = [(name, list(hosts)) for name, hosts in groupby(rows.hosts.values(), key=lambda host: host.group)]
    by_group = len(rows.hosts) > HOSTS_MAX
    columns = _group_columns(groups) if by_group else _host_columns(groups, few=len(rows.hosts) <= FEW)
    made = tuple(
        GridRow(check, *titles[check], _group_cells(cells, groups) if by_group else _host_cells(cells, groups))
        for check, cells in rows.cells.items()
        if check in titles
    )
    every = [cell for row in made for cell in row.cells]
    selected = next((cell for word in _WORST for cell in every if cell.shown == word), None)
    heads = () if by_group else tuple(GridGroup(name or _("no group"), len(hosts), len(hosts)) for name, hosts in groups)
    return GridView(heads, columns, made, _legend(rows), selected, by_group, not by_group and len(rows.hosts) <= FEW)


_WORST = (Shown.CRIT, Shown.WARN, Shown.UNKNOWN, Shown.UNREACHABLE, Shown.RUNNING)
_LEGEND = (*_WORST[:2], Shown.OK, Shown.INFO, Shown.UNKNOWN, Shown.RUNNING, Shown.UNREACHABLE, Shown.QUEUED, Shown.NA)
Groups = Sequence[tuple[str, Sequence[HostRow]]]


def _host_columns(groups: Groups, few: bool) -> tuple[GridColumn, ...]:
    columns = []
    for _name, hosts in groups:
        prefix = "" if few else _prefix([host.name for host in hosts])
        for position, host in enumerate(hosts):
            text = host.name[len(prefix) :]
            hidden = not few and (position % 2 == 1 or len(text) > 3)
            columns.append(GridColumn(text, host.name, hidden, position == 0))
    return tuple(columns)


def _prefix(names: Sequence[str]) -> str:
    """What the names of a group have in common, so that a narrow column can show the rest; never the whole of a name.

    >>> _prefix(["db-01", "db-02"]), _prefix(["db-01"])
    ('db-0', 'db-')
    """
    if len(names) == 1:
        return names[0].rstrip("0123456789")
    low, high = min(names), max(names)
    alike = next((position for position, pair in enumerate(zip(low, high, strict=False)) if pair[0] != pair[1]), len(low))
    return low[: min(alike, len(low) - 1)]


def _group_columns(groups: Groups) -> tuple[GridColumn, ...]:
    return tuple(GridColumn(name or _("no group"), number(len(hosts)), starts_group=True) for name, hosts in groups)


def _host_cells(cells: Mapping[int, Cell], groups: Groups) -> tuple[GridCell, ...]:
    made = []
    for _name, hosts in groups:
        for position, host in enumerate(hosts):
            cell = cells.get(host.id)
            word = cell.shown if cell else Shown.NA
            say = f"{host.name}: {visible(cell.finding) if cell and cell.finding else LABELS[word]}"
            made.append(GridCell(word, label(word, cell.reason if cell else ""), say, host.id, starts_group=position == 0))
    return tuple(made)


def _group_cells(cells: Mapping[int, Cell], groups: Groups) -> tuple[GridCell, ...]:
    made = []
    for name, hosts in groups:
        here = [cells[host.id] for host in hosts if host.id in cells]
        word = shown_over_hosts(here) if here else Shown.NA
        if word == Shown.RUNNING:
            count = sum(cell.closed for cell in here)
        else:
            count = sum(cell.shown == word for cell in here)
        same = next((cell for cell in here if cell.shown == word), None)
        parts = {"group": name or _("no group"), "n": number(count), "m": number(len(here)), "verdict": LABELS[word]}
        say = _("%(group)s: %(n)s of %(m)s %(verdict)s") % parts
        share = f"{count}/{len(here)}" if here else ""
        made.append(GridCell(word, str(LABELS[word]), say, same.host if same else None, share, starts_group=True))
    return tuple(made)


def _legend(rows: RunRows) -> tuple[LegendEntry, ...]:
    counts = Counter(cell.shown for cell in rows.all_cells())
    return tuple(LegendEntry(word, str(LABELS[word]), number(counts[word])) for word in _LEGEND if counts[word])
