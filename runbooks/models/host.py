"""Hosts and how they are reached. A host key is pinned by a person; a private key is stored encrypted."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from runbooks.choices import HostKeyState, TransportKind

HOST_NAME = RegexValidator(r"\A[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?\Z", "Use letters, digits and . _ - (up to 64).")
ADDRESS = RegexValidator(
    r"\A[A-Za-z0-9:](?:[A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?\Z", "Write a host name, an IPv4 or an IPv6 address."
)
USERNAME = RegexValidator(r"\A[a-z_][a-z0-9_.-]{0,31}\Z", "Write a login name such as sidenote.")


class HostGroup(models.Model):
    """A named set of hosts that are looked at together."""

    name = models.CharField(max_length=64, unique=True, validators=[HOST_NAME])

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Credential(models.Model):
    """An SSH key pair. The private half is encrypted with the keys of SIDENOTE_KEY_ENCRYPTION_KEYS (runbooks.keys)."""

    name = models.CharField(max_length=64, unique=True, validators=[HOST_NAME])
    public_key = models.TextField(blank=True)
    private_key = models.BinaryField(editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Host(models.Model):
    """``host_key`` is the pinned OpenSSH public key line, ``offered_key`` the last one seen and not pinned."""

    name = models.CharField(max_length=64, unique=True, validators=[HOST_NAME])
    transport = models.CharField(max_length=10, choices=TransportKind.choices, default=TransportKind.SSH)
    address = models.CharField(max_length=255, blank=True, validators=[ADDRESS])
    port = models.PositiveIntegerField(default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    username = models.CharField(max_length=32, blank=True, validators=[USERNAME])
    credential = models.ForeignKey(Credential, null=True, blank=True, on_delete=models.PROTECT)
    groups = models.ManyToManyField(HostGroup, blank=True, related_name="hosts")
    host_key = models.TextField(blank=True)
    host_key_state = models.CharField(max_length=10, choices=HostKeyState.choices, default=HostKeyState.PENDING)
    offered_key = models.TextField(blank=True)
    enabled = models.BooleanField(default=True)
    system = models.CharField(max_length=200, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """An SSH host needs an address, a user and a key."""
        missing: dict[str, Any] = {}
        if self.transport == TransportKind.SSH:
            for field in ("address", "username", "credential"):
                if not getattr(self, field):
                    missing[field] = "An SSH host needs this."
        if missing:
            raise ValidationError(missing)
