"""Secrets on lines of their own: block scalars, Kubernetes Secrets, environments of containers. The values are made up here."""

from __future__ import annotations

import doctest
import json

import pytest

from checks import redact_blocks
from checks.redact import redact_bytes

MANIFEST = """apiVersion: v1
kind: Secret
metadata:
  name: store
  labels:
    app: readable
data:
  user: canary
  tls.crt: "canary"

  # a comment
  pass: canary
stringData:
  plain.conf: |
    listen canary

    level canary
  folded: >-
    canary one
    canary two
  'quoted': 'canary three'
type: Opaque
"""
CONFIG = """apiVersion: v1
kind: ConfigMap
metadata:
  name: readable
data:
  mode: readable
  config.yaml: |
    bind: readable
"""
READABLE = [
    "The password must be readable, says the note below:\n  an indented readable line\n",
    "volumes:\n- name: x\n  secret:\n    secretName: readable\n    defaultMode: 420\n",
    "  - secret:\n      name: readable\n      optional: true\n",
    "rules:\n- resources: [secrets]\n  verbs:\n  - readable\n",
    "kind: SecretProviderClass\ndata:\n  user: readable\n",
    "kind: secret-store\ndata:\n  user: readable\n",
    "Password: \n  PID USER readable\n    1 root readable\n",
    "token:\n  readable: 1\n",
    "password:\n- readable\n",
    "1 of 3 tokens, password length 12, line 40: readable\n",
    "pass=12 fail=3 readable\n",
    "kind: Secret\ndata: {}\nreadable: 1\n",
    "kind: Secret\ndata: null\nreadable: 1\n",
    '{"kind":"ConfigMap","data":{"a":"readable"}}\n',
    '{"involvedObject":{"kind":"Secret","name":"readable"},"data":{"a":"readable"}}\n',
    "involvedObject:\n  kind: Secret\n  name: readable\ndata:\n  a: readable\n",
    "- name: LOG_LEVEL\n  value: readable\n",
    "- name: token\n  valueFrom:\n    secretKeyRef:\n      key: readable\n",
    "ssl_certificate: LS0tLS1CRUdJTiBDreadable\n",
    CONFIG,
]


def redacted(text: str) -> str:
    clean = redact_bytes(text.encode()).decode()
    assert clean.count("\n") == text.count("\n")
    assert redact_bytes(clean.encode()).decode() == clean
    return clean


def test_its_sample_holds() -> None:
    assert doctest.testmod(redact_blocks).failed == 0


@pytest.mark.parametrize("text", [
    "password: |\n  canary\n  canary: more\nuser: readable\n",
    "spec:\n  db_password: >-\n    canary\n\n    canary\n  user: readable\n",
    "- token: |2-  # so\n    canary\n- readable\n",
    "- name: readable\n  secret: |+\n    canary\n- name: readable\n",
    '"api_key": |\n  canary\nuser: readable\n',
    "password:\n  canary\nuser: readable\n",
    "password: |\r\n  canary\r\nuser: readable\r\n",
    "a.yaml:password: |\na.yaml:  canary\na.yaml:user: readable\n",
    "     7\tpassword: |\n     8\t  canary\n     9\tuser: readable\n",
    "> password: |\n>   canary\n> user: readable\n",
    "password: |\n  canary",
])  # fmt: skip
def test_it_redacts_what_stands_below_a_name(text: str) -> None:
    clean = redacted(text)
    assert "canary" not in clean
    assert clean.count("readable") == text.count("readable")


def test_it_redacts_the_values_of_a_secret_and_keeps_its_names() -> None:
    clean = redacted(MANIFEST)
    assert "canary" not in clean
    assert clean.count("[redacted]") == 8
    for kept in ("user:", "tls.crt:", "plain.conf: |", "folded: >-", "app: readable", "name: store", "type: Opaque"):
        assert kept in clean


@pytest.mark.parametrize("text", [
    MANIFEST.replace("kind: Secret\n", "").replace("type:", "kind: Secret\ntype:"),
    MANIFEST.replace("kind: Secret", 'kind: "Secret"  # x'),
    MANIFEST.replace("\n", "\r\n"),
    "".join(f"    {line}\n" for line in MANIFEST.splitlines()),
    "".join(f"{number:6}\t{line}\n" for number, line in enumerate(MANIFEST.splitlines(), 1)),
    "".join(f"secret.yaml-{number}-{line}\n" for number, line in enumerate(MANIFEST.splitlines(), 1)),
    f"{CONFIG}---\n{MANIFEST}---\n{CONFIG}",
    MANIFEST[: MANIFEST.index("two")],
], ids=["kind-last", "quoted", "crlf", "indented", "numbered", "grep", "stream", "cut"])  # fmt: skip
def test_it_redacts_a_secret_in_any_form(text: str) -> None:
    clean = redacted(text)
    assert "canary" not in clean
    assert clean.count("readable") == text.count("readable")


def listed(*manifests: str) -> str:
    items = "".join("- " + "  ".join(text.splitlines(keepends=True)) for text in manifests)
    return f"apiVersion: v1\nitems:\n{items}kind: List\nmetadata:\n  resourceVersion: readable\n"


def test_it_tells_secrets_from_the_rest_of_a_list() -> None:
    text = listed(CONFIG, MANIFEST, CONFIG, MANIFEST)
    clean = redacted(text)
    assert "canary" not in clean
    assert clean.count("readable") == text.count("readable")


SECRET = {
    "apiVersion": "v1",
    "data": {"user": "canary"},
    "kind": "Secret",
    "metadata": {"name": "readable", "ownerReferences": []},
}
OPEN = {"apiVersion": "v1", "data": {"user": "readable", "mode": "readable"}, "kind": "ConfigMap"}
TEXTS = {"kind": "Secret", "metadata": {"labels": {"a": "readable"}}, "stringData": {"conf": 'a="canary"\nb={"c":"canary"}'}}


@pytest.mark.parametrize("document", [
    SECRET,
    TEXTS,
    {"kind": "List", "items": [OPEN, SECRET, OPEN, TEXTS]},
    {"kind": "SecretList", "items": [{"data": {"a": "canary"}, "metadata": {"name": "readable"}}]},
    {"kind": "Pod", "metadata": {"annotations": {"last": json.dumps(SECRET), "first": json.dumps(OPEN)}}},
], ids=["secret", "texts", "list", "secrets", "annotation"])  # fmt: skip
@pytest.mark.parametrize("indent", [None, 4])
def test_it_redacts_secrets_in_json(document: object, indent: int | None) -> None:
    text = json.dumps(document, indent=indent)
    clean = redacted(text + "\n")
    assert "canary" not in clean
    assert clean.count("readable") == text.count("readable")
    assert isinstance(json.loads(clean), dict)
    assert "canary" not in redacted(text[: text.rindex("canary") + 3])


def test_it_redacts_a_secret_that_kubectl_applied() -> None:
    applied = json.dumps(SECRET, separators=(",", ":"))
    clean = redacted(f"metadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: |\n      {applied}\n")
    assert "canary" not in clean
    assert "readable" in clean


@pytest.mark.parametrize("text", [
    "    - name: DB_PASSWORD\n      value: canary\n    - name: LEVEL\n      value: readable\n",
    '    - name: API_TOKEN\n      value: "canary with, signs"\n',
    '{"name":"DB_PASSWORD","value":"canary"},{"name":"LEVEL","value":"readable"}\n',
    '"name": "SIGNING_SECRET",\n                "value": "canary"\n',
])  # fmt: skip
def test_it_redacts_the_environment_of_a_container(text: str) -> None:
    clean = redacted(text)
    assert "canary" not in clean
    assert clean.count("readable") == text.count("readable")


@pytest.mark.parametrize("text", READABLE)
def test_it_leaves_what_is_no_secret_readable(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        b"password: |\n ",
        b"password:\n ",
        b"kind: Secret\ndata:\n  a: b\n",
        b"- kind: Secret\n ",
        b'{"kind":"Secret","data":{',
        b"- ",
    ],
)
def test_it_ends_on_endless_blocks(piece: bytes) -> None:
    # Not a measurement: work that grows with the square of the length would never end here.
    text = b"kind: Secret\ndata:\n" + piece * (1_000_000 // len(piece))
    assert redact_bytes(text).count(b"\n") == text.count(b"\n")
