"""The worked example, a small node of Kubernetes 1.28 saved in a laboratory, and ways to damage it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.parsers.iptables_rules import RuleSet
from checks.parsers.iptables_save import read

SAVE = Path(__file__).parents[3] / "cases" / "probes" / "iptables.save" / "healthy" / "iptables-nft-save"

Change = tuple[str, str]


@pytest.fixture(scope="session")
def healthy() -> str:
    return SAVE.read_text("utf-8")


@pytest.fixture
def rules(healthy: str) -> Callable[..., RuleSet]:
    """The healthy rules after some replacements; every replaced text must be there."""

    def build(*changes: Change, text: str = "") -> RuleSet:
        text = text or healthy
        for old, new in changes:
            assert old in text, f"the sample does not hold {old!r}"
            text = text.replace(old, new)
        (found,) = read(text)
        found.section = "iptables-nft-save"
        return found

    return build


@pytest.fixture
def model(rules: Callable[..., RuleSet]) -> Callable[..., KubeProxy]:
    return lambda *changes, text="": KubeProxy(rules(*changes, text=text))
