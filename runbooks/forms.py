"""What people fill in: where and with which parameters a runbook starts, and how a host is reached."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from checks.errors import ParamError
from checks.params import TYPES, Param, read
from checks.transports.ssh_target import read_pins
from runbooks.choices import HostKeyState
from runbooks.document.model import Document
from runbooks.models import Credential, Host, HostGroup
from runbooks.models.host import ADDRESS, HOST_NAME, USERNAME

PREFIX = "param_"


class StartForm(forms.Form):
    """Hosts, groups and the runbook's own typed parameters. ``key`` makes a second click the same run."""

    hosts = forms.ModelMultipleChoiceField(Host.objects.filter(enabled=True), required=False)
    groups = forms.ModelMultipleChoiceField(HostGroup.objects.all(), required=False)
    key = forms.CharField(max_length=64, required=False)

    def __init__(self, document: Document, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.params = document.meta.params
        for param in self.params:
            self.fields[PREFIX + param.name] = _field(param)

    def new_key(self) -> str:
        """The key of this form: the sent one again, so that sending once more after an error is still one run."""
        return str(self.data.get("key") or uuid.uuid4())

    def param_fields(self) -> list[forms.BoundField]:
        """The parameters' fields, bound."""
        return [self[PREFIX + param.name] for param in self.params]

    def chosen(self) -> set[int]:
        """The ids of the ticked hosts, whether the form was valid or not."""
        ticked = self.data.getlist("hosts") if isinstance(self.data, QueryDict) else self.data.get("hosts", ())
        return {int(pk) for pk in ticked if str(pk).isdecimal()}

    def clean(self) -> dict[str, Any]:
        """At least one host; each parameter in its right form, with the sentence at its own field."""
        given = super().clean() or {}
        hosts = set(given.get("hosts") or ())
        for group in given.get("groups") or ():
            hosts |= set(group.hosts.filter(enabled=True))
        if not hosts and "hosts" not in self.errors:
            self.add_error("hosts", _("Choose at least one host."))
        given["all_hosts"] = sorted(hosts, key=lambda host: host.name)
        given["params"] = {param.name: self._read(param, given.get(PREFIX + param.name)) for param in self.params}
        return given

    def _read(self, param: Param, value: Any) -> Any:
        if value in (None, ""):
            if param.required:
                self.add_error(PREFIX + param.name, _("This is needed: write %(what)s") % {"what": TYPES[param.type].say})
            return param.default
        try:
            return read(param, value)
        except ParamError as error:
            self.add_error(PREFIX + param.name, error.say)
            return None


def _field(param: Param) -> forms.Field:
    label, hint = param.name.replace("_", " "), param.help or TYPES[param.type].say
    common: dict[str, Any] = {"label": label, "help_text": hint, "initial": param.default, "required": False}
    if param.type == "bool":
        return forms.BooleanField(**common)
    if param.choices:
        none = [] if param.required else [("", "–")]
        return forms.ChoiceField(choices=[*none, *((choice, choice) for choice in param.choices)], **common)
    return forms.CharField(max_length=4096, **common)


KEY_CHOICES = (
    ("generate", gettext_lazy("Make a new key pair for this host")),
    ("existing", gettext_lazy("Use a key that is already here")),
    ("paste", gettext_lazy("Paste a private key")),
)


class HostForm(forms.Form):
    """A host over ssh, and the key to log in with. A host key given here comes from the console, so it counts as pinned."""

    name = forms.CharField(max_length=64, validators=[HOST_NAME])
    address = forms.CharField(max_length=255, validators=[ADDRESS])
    port = forms.IntegerField(min_value=1, max_value=65535, initial=22)
    username = forms.CharField(max_length=32, validators=[USERNAME], initial="sidenote")
    group_names = forms.CharField(max_length=400, required=False)
    key_from = forms.ChoiceField(choices=KEY_CHOICES, initial="generate")
    credential = forms.ModelChoiceField(Credential.objects.all(), required=False)
    private_key = forms.CharField(max_length=20_000, required=False, strip=False)
    passphrase = forms.CharField(max_length=400, required=False, strip=False)
    host_key = forms.CharField(max_length=4000, required=False)

    def clean_name(self) -> str:
        """A name of its own."""
        name: str = self.cleaned_data["name"]
        if Host.objects.filter(name=name).exists():
            raise ValidationError(_("There is a host called %(name)s already.") % {"name": name})
        return name

    def clean_group_names(self) -> list[str]:
        """The groups' names: letters, digits and . _ - each."""
        names = self.cleaned_data["group_names"].replace(",", " ").split()
        for name in names:
            HOST_NAME(name)
        return list(dict.fromkeys(names))

    def clean_host_key(self) -> str:
        """Public key lines."""
        text: str = self.cleaned_data["host_key"].strip()
        try:
            pins = read_pins(text)
        except ValueError:
            pins = None
        if text and not pins:
            raise ValidationError(
                _("Paste a line of the file /etc/ssh/ssh_host_ed25519_key.pub of that host, or leave this empty.")
            )
        return text

    def clean(self) -> dict[str, Any]:
        """The key that was chosen is there."""
        given = super().clean() or {}
        if given.get("key_from") == "existing" and not given.get("credential"):
            self.add_error("credential", _("Choose one of the keys."))
        if given.get("key_from") == "paste" and not given.get("private_key", "").strip():
            self.add_error("private_key", _("Paste the private key here."))
        return given

    @transaction.atomic
    def save(self) -> Host:
        """Make the host, its groups and, when asked for, its key. Raises KeyUnreadable for a pasted key that cannot be read."""
        given = self.cleaned_data
        host = Host.objects.create(
            name=given["name"],
            address=given["address"],
            port=given["port"],
            username=given["username"],
            credential=self._credential(),
            host_key=given["host_key"],
            host_key_state=HostKeyState.PINNED if given["host_key"] else HostKeyState.PENDING,
        )
        host.groups.set([HostGroup.objects.get_or_create(name=name)[0] for name in given["group_names"]])
        return host

    def _credential(self) -> Credential:
        from runbooks import keys  # cryptography is loaded only where a key is made or opened

        given = self.cleaned_data
        name = self._free_name(given["name"])
        if given["key_from"] == "existing":
            chosen: Credential = given["credential"]
            return chosen
        if given["key_from"] == "paste":
            return keys.import_key(name, given["private_key"], given["passphrase"])
        return keys.generate(name)

    def _free_name(self, name: str) -> str:
        taken = set(Credential.objects.filter(name__startswith=name[:60]).values_list("name", flat=True))
        return next(one for one in (name, *(f"{name[:60]}-{n}" for n in range(2, 1000))) if one not in taken)
