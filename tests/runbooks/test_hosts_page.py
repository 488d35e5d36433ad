"""Hosts: adding one, and the decision about its key, which only a person takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client

from checks.errors import TransportError
from checks.results import Reason
from checks.transports.ssh_target import fingerprint
from runbooks.choices import HostKeyState
from runbooks.models import Credential, Host, HostGroup

ADMIN = ("view_host", "add_host", "change_host")


def new_key() -> tuple[str, str]:
    """A private key as text, and its public key line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), public.decode()


@pytest.fixture
def admin(client: Client, person: Any) -> Client:
    client.force_login(person(*ADMIN))
    return client


@pytest.fixture
def scan(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the host shows when it is asked for its key; an exception is raised instead."""
    shows: dict[str, Any] = {"lines": []}

    async def scan_host_key(address: str, port: int = 22) -> Sequence[str]:
        shows["asked"] = (address, port)
        if isinstance(shows["lines"], Exception):
            raise shows["lines"]
        return list(shows["lines"])

    monkeypatch.setattr("checks.transports.ssh_connect.scan_host_key", scan_host_key)
    return shows


FORM = {
    "name": "web-1",
    "address": "10.0.0.7",
    "port": "2222",
    "username": "sidenote",
    "group_names": "web, dmz",
    "key_from": "generate",
}


def test_it_adds_a_host_with_a_key_of_its_own_and_asks_for_the_hosts(admin: Client, scan: dict[str, Any]) -> None:
    _private, public = new_key()
    scan["lines"] = [public]
    response = admin.post("/hosts/add", FORM, follow=True)
    host = Host.objects.get(name="web-1")
    assert scan["asked"] == ("10.0.0.7", 2222)
    assert (host.host_key_state, host.host_key, host.offered_key) == (HostKeyState.PENDING, "", public)
    assert set(host.groups.values_list("name", flat=True)) == {"web", "dmz"}
    html = response.content.decode()
    assert fingerprint(public) in html
    assert "ssh-keygen -lf" in html
    assert host.credential is not None
    assert f"restrict {host.credential.public_key}" in html
    assert "PRIVATE KEY" not in html


def test_it_pins_exactly_the_fingerprint_that_was_seen(admin: Client, scan: dict[str, Any]) -> None:
    _private, public = new_key()
    scan["lines"] = [public]
    admin.post("/hosts/add", FORM)
    host = Host.objects.get()
    admin.post(f"/hosts/{host.pk}/pin", {"fingerprint": fingerprint(public)})
    host.refresh_from_db()
    assert (host.host_key_state, host.host_key, host.offered_key) == (HostKeyState.PINNED, public, "")


def test_it_does_not_pin_a_key_that_came_after_the_page(admin: Client) -> None:
    seen, later = new_key()[1], new_key()[1]
    host = Host.objects.create(name="h", address="h", username="u", offered_key=later)
    response = admin.post(f"/hosts/{host.pk}/pin", {"fingerprint": fingerprint(seen)}, follow=True)
    host.refresh_from_db()
    assert (host.host_key_state, host.host_key) == (HostKeyState.PENDING, "")
    assert "The host offers another key by now" in response.content.decode()


def test_it_blocks_a_host_whose_key_changed_and_shows_both(admin: Client, scan: dict[str, Any]) -> None:
    known, offered = new_key()[1], new_key()[1]
    host = Host.objects.create(name="h", address="h", username="u", host_key=known, host_key_state=HostKeyState.PINNED)
    scan["lines"] = [offered]
    html = admin.post(f"/hosts/{host.pk}/scan", follow=True).content.decode()
    host.refresh_from_db()
    assert host.host_key_state == HostKeyState.CHANGED
    assert host.host_key == known
    assert fingerprint(known) in html
    assert f"<mark>{fingerprint(offered)}</mark>" in html
    overview = admin.get("/hosts/").content.decode()
    assert fingerprint(known) in overview
    assert fingerprint(offered) in overview


def test_it_unblocks_a_host_that_shows_its_pinned_key_again(admin: Client, scan: dict[str, Any]) -> None:
    known = new_key()[1]
    fields = {"host_key": known, "offered_key": new_key()[1], "host_key_state": HostKeyState.CHANGED}
    host = Host.objects.create(name="h", address="h", username="u", **fields)
    scan["lines"] = [known]
    admin.post(f"/hosts/{host.pk}/scan")
    host.refresh_from_db()
    assert (host.host_key_state, host.offered_key) == (HostKeyState.PINNED, "")


def test_it_says_why_a_host_did_not_show_its_key(admin: Client, scan: dict[str, Any]) -> None:
    scan["lines"] = TransportError("nothing listens on 10.0.0.7:2222", Reason.CONNECT_REFUSED)
    html = admin.post("/hosts/add", FORM, follow=True).content.decode()
    assert "nothing listens on 10.0.0.7:2222" in html
    assert Host.objects.get().host_key_state == HostKeyState.PENDING


def test_it_takes_a_pasted_key_and_keeps_it_encrypted(admin: Client, scan: dict[str, Any]) -> None:
    from runbooks.keys import private_key

    private, public = new_key()
    admin.post("/hosts/add", FORM | {"key_from": "paste", "private_key": private})
    credential = Credential.objects.get()
    assert credential.public_key.startswith(public)
    assert private[40:80].encode() not in bytes(credential.private_key)
    kept = serialization.load_ssh_private_key(private_key(credential), None)
    assert kept.public_key() == serialization.load_ssh_private_key(private.encode(), None).public_key()


def test_it_uses_a_key_that_is_here_already(admin: Client, scan: dict[str, Any]) -> None:
    from runbooks.keys import generate

    credential = generate("shared")
    admin.post("/hosts/add", FORM | {"key_from": "existing", "credential": credential.pk})
    assert Host.objects.get().credential == credential
    assert Credential.objects.count() == 1


def test_it_counts_a_key_from_the_console_as_pinned(admin: Client, scan: dict[str, Any]) -> None:
    public = new_key()[1]
    scan["lines"] = [public]
    admin.post("/hosts/add", FORM | {"host_key": public + " root@web-1"})
    assert Host.objects.get().host_key_state == HostKeyState.PINNED


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "web 1"}, "Use letters, digits"),
        ({"name": "taken"}, "There is a host called taken already."),
        ({"address": "-oProxyCommand=id"}, "Write a host name"),
        ({"address": "a b"}, "Write a host name"),
        ({"port": "0"}, "greater than or equal to 1"),
        ({"username": "Root!"}, "Write a login name"),
        ({"group_names": "a/b"}, "Use letters, digits"),
        ({"key_from": "paste", "private_key": ""}, "Paste the private key here."),
        ({"key_from": "paste", "private_key": "nonsense"}, "this is not a private key"),
        ({"key_from": "existing"}, "Choose one of the keys."),
        ({"host_key": "nonsense"}, "Paste a line of the file /etc/ssh/"),
    ],
)
def test_it_says_at_the_field_what_is_wrong(admin: Client, scan: dict[str, Any], changed: dict[str, str], said: str) -> None:
    from runbooks.keys import generate

    generate("some")
    Host.objects.create(name="taken", address="x", username="u")
    response = admin.post("/hosts/add", FORM | changed)
    assert response.status_code == 422
    assert said in response.content.decode().replace("&#x27;", "'")
    assert Host.objects.count() == 1


def test_it_never_gives_a_pasted_key_back(admin: Client, scan: dict[str, Any]) -> None:
    private, _public = new_key()
    html = admin.post(
        "/hosts/add", FORM | {"name": "!", "key_from": "paste", "private_key": private, "passphrase": "hush"}
    ).content.decode()
    assert private.split("\n")[1] not in html
    assert "hush" not in html


def test_it_lists_problems_first_and_filters(admin: Client) -> None:
    Host.objects.create(name="alpha", address="10.0.0.1", username="u", host_key=new_key()[1], host_key_state=HostKeyState.PINNED)
    Host.objects.create(name="zeta", address="10.0.0.2", username="u", host_key_state=HostKeyState.CHANGED)
    HostGroup.objects.create(name="g").hosts.add(Host.objects.get(name="alpha"))
    html = admin.get("/hosts/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in html
    assert html.index("zeta") < html.index("alpha")
    assert "zeta" not in admin.get("/hosts/", {"group": "g"}, headers={"HX-Request": "true"}).content.decode()
    assert "alpha" not in admin.get("/hosts/", {"q": "10.0.0.2"}, headers={"HX-Request": "true"}).content.decode()


@pytest.mark.parametrize("rights", [(), ("view_host",)])
def test_it_lets_only_those_decide_who_may(client: Client, person: Any, rights: tuple[str, ...]) -> None:
    host = Host.objects.create(name="h", address="h", username="u", offered_key=new_key()[1])
    client.force_login(person(*rights))
    assert client.get("/hosts/").status_code == (200 if rights else 403)
    assert client.get("/hosts/add").status_code == 403
    assert client.post("/hosts/add", FORM).status_code == 403
    assert client.post(f"/hosts/{host.pk}/pin", {"fingerprint": fingerprint(host.offered_key)}).status_code == 403
    assert client.post(f"/hosts/{host.pk}/scan").status_code == 403
    host.refresh_from_db()
    assert host.host_key == ""
