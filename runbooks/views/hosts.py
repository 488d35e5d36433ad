"""Hosts: list, add, and decide about a host's key. A key counts only after a person has compared its fingerprint."""

from __future__ import annotations

import asyncio

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from checks.errors import CheckError
from checks.transports.ssh_target import fingerprint
from runbooks.choices import HostKeyState, TransportKind
from runbooks.forms import HostForm
from runbooks.models import Host
from runbooks.presenters.hosts import present_host, present_hosts

SCAN_S = 20


@require_GET
@permission_required("runbooks.view_host", raise_exception=True)
def hosts(request: HttpRequest) -> HttpResponse:
    """All hosts, problems first."""
    found = present_hosts(request.GET.get("q", "")[:200], request.GET.get("group", "")[:64])
    template = "runbooks/_hosts_list.html" if request.htmx else "runbooks/hosts.html"  # type: ignore[attr-defined]
    return render(request, template, {"found": found, "nav": "hosts"})


@require_GET
@permission_required("runbooks.view_host", raise_exception=True)
def host(request: HttpRequest, host_id: int) -> HttpResponse:
    """One host: how it is reached, its keys, and what is to be decided."""
    found = get_object_or_404(Host.objects.select_related("credential"), pk=host_id)
    return render(request, "runbooks/host.html", {"host": present_host(found), "nav": "hosts"})


@require_http_methods(["GET", "POST"])
@permission_required("runbooks.add_host", raise_exception=True)
def add_host(request: HttpRequest) -> HttpResponse:
    """Add a host over ssh, then ask it for its key."""
    form = HostForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            made = form.save()
        except CheckError as error:
            form.add_error("private_key", error.say)
        else:
            _scan(request, made)
            return redirect("host", host_id=made.pk)
    return render(request, "runbooks/add_host.html", {"form": form, "nav": "hosts"}, status=422 if form.errors else 200)


@require_POST
@permission_required("runbooks.change_host", raise_exception=True)
def scan(request: HttpRequest, host_id: int) -> HttpResponse:
    """Ask the host for its key again. A key other than the pinned one blocks the host."""
    _scan(request, get_object_or_404(Host, pk=host_id, transport=TransportKind.SSH))
    return redirect("host", host_id=host_id)


def _scan(request: HttpRequest, found: Host) -> None:
    from checks.transports.ssh_connect import scan_host_key  # asyncssh is loaded only where it is used

    try:
        lines = asyncio.run(asyncio.wait_for(scan_host_key(found.address, found.port), SCAN_S))
    except CheckError as error:
        messages.warning(request, error.say)
        return
    except TimeoutError:
        messages.warning(request, _("The host did not show its key within %(n)s s.") % {"n": SCAN_S})
        return
    pinned = {fingerprint(line) for line in found.host_key.splitlines() if line.strip()}
    if pinned and pinned & {fingerprint(line) for line in lines}:
        Host.objects.filter(pk=found.pk).update(offered_key="", host_key_state=HostKeyState.PINNED)
        messages.success(request, _("The host shows the pinned key."))
        return
    state = HostKeyState.CHANGED if pinned else HostKeyState.PENDING
    Host.objects.filter(pk=found.pk).update(offered_key="\n".join(lines), host_key_state=state)


@require_POST
@permission_required("runbooks.change_host", raise_exception=True)
def pin(request: HttpRequest, host_id: int) -> HttpResponse:
    """Pin the offered key with exactly the fingerprint that the person saw; another key offered meanwhile is not pinned."""
    seen = request.POST.get("fingerprint", "")
    with transaction.atomic():
        found = get_object_or_404(Host.objects.select_for_update(), pk=host_id)
        line = next((one for one in found.offered_key.splitlines() if one.strip() and fingerprint(one) == seen), None)
        if line is None:
            messages.error(request, _("The host offers another key by now. Compare again."))
        else:
            found.host_key, found.offered_key, found.host_key_state = line, "", HostKeyState.PINNED
            found.save(update_fields=["host_key", "offered_key", "host_key_state"])
            messages.success(request, _("Pinned. Checks can run on %(name)s now.") % {"name": found.name})
    return redirect("host", host_id=host_id)
