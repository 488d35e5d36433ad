"""The question of the trace page: which packet, and through which rules."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checks.errors import ParamError
from checks.params import Param, read
from runbooks.models import Host, Trace

PROTOCOLS = (("tcp", "TCP"), ("udp", "UDP"), ("sctp", "SCTP"))
ORIGINS = (
    ("pod", gettext_lazy("a pod")),
    ("host", gettext_lazy("the node itself")),
    ("external", gettext_lazy("outside the cluster")),
)
PASTE = "paste"
HOSTS_MAX = 500


class TraceForm(forms.Form):
    """``rules`` is paste, same:ID (the rules of that trace once more) or host:ID. Errors stand at the field they belong to."""

    to = forms.CharField(max_length=80)
    proto = forms.ChoiceField(choices=PROTOCOLS, initial="tcp")
    origin = forms.ChoiceField(choices=ORIGINS, initial="pod")
    source = forms.CharField(max_length=80)
    rules = forms.ChoiceField(initial=PASTE)
    text = forms.CharField(required=False, strip=False)
    key = forms.CharField(max_length=64, required=False)

    def __init__(self, data: Any = None, *, may_start: bool, trace: Trace | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        for field in ("to", "source"):
            self.fields[field].error_messages["required"] = _ADVICE[field]
        choices = [(PASTE, _("pasted below"))]
        if trace:
            choices.insert(0, (f"same:{trace.pk}", _("the rules of this trace")))
        if may_start:
            hosts = Host.objects.filter(enabled=True).values_list("pk", "name")[:HOSTS_MAX]
            choices += [(f"host:{pk}", _("live from %(name)s") % {"name": name}) for pk, name in hosts]
        self.fields["rules"].choices = choices  # type: ignore[attr-defined]

    @property
    def new_key(self) -> str:
        """The key of this form: the sent one again, so that sending once more is still one run."""
        return str(self.data.get("key") or uuid.uuid4())

    def clean_to(self) -> str:
        """An address and a port."""
        return str(self._read("to", "ip_port"))

    def clean_source(self) -> str:
        """An address."""
        return str(self._read("source", "ip"))

    def _read(self, field: str, kind: str) -> Any:
        try:
            return read(Param(field, kind), self.cleaned_data[field].strip())
        except ParamError as error:
            raise forms.ValidationError(_ADVICE[field]) from error

    def clean(self) -> dict[str, Any]:
        """Both ends of one family; a paste where one is announced."""
        given = super().clean() or {}
        if given.get("to") and given.get("source") and ("[" in given["to"]) != (":" in given["source"]):
            wanted = "IPv6" if "[" in given["to"] else "IPv4"
            self.add_error("source", _("The target is an %(family)s address: write one here too.") % {"family": wanted})
        if given.get("rules") == PASTE and not (given.get("text") or "").strip():
            say = _("Paste what iptables-save prints on the node, or choose other rules.")
            self.add_error("text", say)
        return given

    def question(self) -> dict[str, Any]:
        """The parameters of the probe."""
        given = self.cleaned_data
        address, _colon, port = given["to"].rpartition(":")
        return {
            "src": given["source"],
            "dst": address.strip("[]"),
            "dport": int(port),
            "proto": given["proto"],
            "origin": given["origin"],
        }

    def chosen(self) -> tuple[str, str]:
        """The kind of rules, and the id of the trace or host."""
        kind, _colon, found = str(self.cleaned_data["rules"]).partition(":")
        return kind, found


_ADVICE = {
    "to": gettext_lazy("Write an address and a port such as 10.96.0.10:53 or [fd00::a]:53."),
    "source": gettext_lazy("Write the address the packet comes from, such as 10.244.1.5."),
}


def same_trace(value: str) -> Trace | None:
    """The trace that ``same:ID`` names."""
    kind, _colon, found = value.partition(":")
    try:
        return Trace.objects.filter(pk=UUID(found)).first() if kind == "same" else None
    except ValueError:
        return None


def initial_of(question: Mapping[str, Any], rules: str) -> dict[str, Any]:
    """A form that asks this question once more."""
    ip, port = question.get("dst") or "", question.get("dport") or ""
    to = f"[{ip}]:{port}" if ":" in str(ip) else f"{ip}:{port}"
    return {
        "to": to if ip and port else "",
        "proto": question.get("proto"),
        "origin": question.get("origin"),
        "source": question.get("src"),
        "rules": rules,
    }
