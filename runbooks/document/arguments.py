"""The values of ``with:`` at run time: references filled in and every value read again by its type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checks.errors import ParamError
from checks.params import read_all
from checks.probes.base import Probe
from runbooks.document.evaluation import lookup
from runbooks.document.model import Check, Reference


def arguments(check: Check, probe: Probe, params: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """The probe's parameters. Raises ParamError when one is missing or has the wrong form, wherever it came from.

    ``params`` are the run's parameters, ``told`` what earlier steps told (``verdicts.known``). A fact that a host gave is
    believed no more than a value that a person typed.
    """
    given: dict[str, Any] = {}
    for name, value in check.with_.items():
        if isinstance(value, Reference):
            found = lookup(told, value.name) if value.step else params.get(value.name)
            if value.step and found is None:
                raise ParamError(name, f"{name} is to come from {value.name}, and that step did not tell it")
            if isinstance(found, list | tuple | dict):
                raise ParamError(name, f"{name} is to come from {value.name}, and that is not a single value")
            given[name] = found
        else:
            given[name] = value
    return read_all(probe.params, given)
