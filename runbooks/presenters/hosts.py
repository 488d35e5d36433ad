"""Hosts: the list with problems first, one host with its keys, and the groups to choose from when a run starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count
from django.utils.translation import gettext as _

from checks.results import Reason
from checks.transports.ssh_target import fingerprint
from runbooks import hosts as reaching
from runbooks.choices import HostKeyState, TransportKind
from runbooks.models import Host, HostGroup
from runbooks.presenters.shown import Shown
from runbooks.presenters.words import visible


@dataclass(frozen=True)
class KeyView:
    """A public key as a person compares it."""

    kind: str
    fingerprint: str


@dataclass(frozen=True)
class HostView:
    """A host. ``problem`` says why no check runs there now."""

    id: int
    name: str
    where: str
    reached_by: str
    local: bool
    groups: tuple[str, ...]
    system: str
    last_seen_at: datetime | None
    key_shown: Shown
    key_say: str
    pinned: tuple[KeyView, ...]
    offered: tuple[KeyView, ...]
    problem: str
    blocked: bool
    public_key: str
    enabled: bool


@dataclass(frozen=True)
class HostsView:
    """The list and its counts."""

    hosts: tuple[HostView, ...]
    groups: tuple[tuple[str, int], ...]
    total: int
    group: str
    query: str
    changed: int
    pending: int


def present_hosts(query: str = "", group: str = "") -> HostsView:
    """Hosts by name, address or group, problems first: four statements."""
    everyone = [present_host(host) for host in Host.objects.select_related("credential").prefetch_related("groups")]
    words = query.lower().split()
    chosen = [host for host in everyone if (not group or group in host.groups) and _matches(host, words)]
    chosen.sort(key=lambda host: (_ORDER.index(host.key_shown), host.name))
    groups = HostGroup.objects.annotate(size=Count("hosts")).order_by("name").values_list("name", "size")
    return HostsView(
        hosts=tuple(chosen),
        groups=tuple(groups),
        total=len(everyone),
        group=group,
        query=query,
        changed=sum(host.blocked for host in everyone),
        pending=sum(host.key_shown == Shown.WARN for host in everyone),
    )


_ORDER = (Shown.CRIT, Shown.WARN, Shown.OK, Shown.NA)


def _matches(host: HostView, words: Iterable[str]) -> bool:
    text = " ".join((host.name, host.where, *host.groups, host.system, host.key_say)).lower()
    return all(word in text for word in words)


_KEY: dict[str, Shown] = {
    HostKeyState.NONE: Shown.NA,
    HostKeyState.PENDING: Shown.WARN,
    HostKeyState.PINNED: Shown.OK,
    HostKeyState.CHANGED: Shown.CRIT,
}


def present_host(host: Host) -> HostView:
    """One host; its ``credential`` and ``groups`` are loaded."""
    problem = reaching.problem(host)
    local = host.transport == TransportKind.LOCAL
    address = f"[{host.address}]" if ":" in host.address else host.address
    return HostView(
        id=host.pk,
        name=host.name,
        where="" if local else f"{host.username}@{address}:{host.port}",
        reached_by=_("this machine") if local else "ssh",
        local=local,
        groups=tuple(group.name for group in host.groups.all()),
        system=visible(host.system),
        last_seen_at=host.last_seen_at,
        key_shown=_KEY.get(host.host_key_state, Shown.WARN),
        key_say=_key_say(host),
        pinned=keys_of(host.host_key),
        offered=keys_of(host.offered_key),
        problem=problem[1] if problem else "",
        blocked=host.host_key_state == HostKeyState.CHANGED,
        public_key=host.credential.public_key if host.credential else "",
        enabled=host.enabled,
    )


def _key_say(host: Host) -> str:
    if host.host_key_state == HostKeyState.PENDING:
        return _("Waits for a person") if host.offered_key else _("Not asked yet")
    return {
        HostKeyState.NONE: _("Not needed"),
        HostKeyState.PINNED: _("Pinned"),
        HostKeyState.CHANGED: _("Changed, blocked"),
    }.get(HostKeyState(host.host_key_state), "")


def keys_of(lines: str) -> tuple[KeyView, ...]:
    """The keys of public key lines; a line that is no key is left out."""
    found = []
    for line in lines.splitlines():
        try:
            kind = next(word for word in line.split() if word.startswith(("ssh-", "ecdsa-", "sk-", "rsa-sha2-")))
            found.append(KeyView(kind, fingerprint(line)))
        except (ValueError, StopIteration):
            continue
    return tuple(found)


@dataclass(frozen=True)
class HostChoice:
    """A host to tick in a start form. ``note`` says why no check runs there now, ``short`` does in two words."""

    id: int
    name: str
    where: str
    note: str
    short: str = ""


@dataclass(frozen=True)
class GroupChoice:
    """A group to tick as a whole, and its hosts. ``id`` is None for hosts without a group."""

    id: int | None
    name: str
    hosts: tuple[HostChoice, ...]


def host_choices() -> tuple[GroupChoice, ...]:
    """The enabled hosts by group. A host in several groups stands in each."""
    hosts = [(host, _choice(host)) for host in Host.objects.filter(enabled=True).prefetch_related("groups")]
    groups = [
        GroupChoice(group.pk, group.name, tuple(choice for host, choice in hosts if group in host.groups.all()))
        for group in HostGroup.objects.all()
    ]
    alone = tuple(choice for host, choice in hosts if not host.groups.all())
    found = [group for group in groups if group.hosts]
    return (*found, GroupChoice(None, "", alone)) if alone else tuple(found)


def _choice(host: Host) -> HostChoice:
    problem = reaching.problem(host)
    where = _("this machine") if host.transport == TransportKind.LOCAL else host.address
    short = {Reason.HOSTKEY_CHANGED: _("key changed"), Reason.HOSTKEY_UNKNOWN: _("key not confirmed")}
    if problem is None:
        return HostChoice(host.pk, host.name, where, "")
    return HostChoice(host.pk, host.name, where, problem[1], short.get(problem[0], _("not set up")))
