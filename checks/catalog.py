"""The catalogue: every probe, found by its file. A new probe is a new object in a file of ``checks/probes/``."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from checks import probes
from checks.errors import CheckError
from checks.probes.base import Probe


@cache
def catalog() -> Mapping[str, Probe]:
    """All probes by id, sorted. Each module of ``checks.probes`` lists its own in ``PROBES``."""
    found: dict[str, Probe] = {}
    for module in pkgutil.iter_modules(probes.__path__):
        if module.name != "base":
            for probe in importlib.import_module(f"{probes.__name__}.{module.name}").PROBES:
                if probe.id in found:
                    raise ValueError(f"two probes are called {probe.id}")
                found[probe.id] = probe
    return dict(sorted(found.items()))


def get(probe_id: str) -> Probe:
    """The probe with that id. Raises CheckError that names the nearest ones."""
    try:
        return catalog()[probe_id]
    except KeyError:
        near = difflib.get_close_matches(probe_id, catalog(), n=3) or [known for known in catalog() if probe_id in known][:3]
        hint = f"Did you mean {' or '.join(near)}?" if near else "python -m checks list names them all."
        raise CheckError(f"There is no probe {probe_id}. {hint}") from None
