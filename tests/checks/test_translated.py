"""Complaints of other languages are understood as those of the C locale; outputs are never touched."""

from __future__ import annotations

import doctest

import pytest

from checks import translated
from checks.evidence import complaint
from checks.results import Reason
from checks.translated import in_english


def test_its_samples_hold() -> None:
    assert doctest.testmod(translated).failed == 0


@pytest.mark.parametrize(("line", "reason"), [
    ("-bash: ip: 未找到命令", Reason.TOOL_MISSING),
    ("bash: conntrack：未找到命令", Reason.TOOL_MISSING),
    ("-bash: nft: Kommando nicht gefunden.", Reason.TOOL_MISSING),
    ("bash: ip : commande introuvable", Reason.TOOL_MISSING),
    ("cat: /proc/slabinfo: 权限不够", Reason.NEED_PRIVILEGE),
    ("cat: /proc/slabinfo: Keine Berechtigung", Reason.NEED_PRIVILEGE),
    ("sudo: 需要密码", Reason.NEED_PRIVILEGE),
    ("cat: /proc/pressure/cpu: 没有那个文件或目录", Reason.MISSING),
    ("cat: /proc/pressure/cpu: Datei oder Verzeichnis nicht gefunden", Reason.MISSING),
])  # fmt: skip
def test_it_understands_a_translated_complaint(line: str, reason: Reason) -> None:
    assert complaint(f"{line}\n".encode()) == reason


@pytest.mark.parametrize("line", ["default via 192.0.2.1 dev eth0", "备注：没有问题", "Größe: 12", ""])
def test_it_leaves_other_lines_alone(line: str) -> None:
    assert in_english(line) == line
    assert complaint(f"{line}\n".encode()) is None
