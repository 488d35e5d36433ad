"""What to do next, per reason: how an unknown can be settled and how an unreached host can be read. One sentence each."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from checks.results import Reason


@dataclass(frozen=True)
class Hint:
    """``lead`` is set in bold; ``command`` stands after the sentence, to copy."""

    lead: str
    say: str
    command: str = ""


_SETTLE: dict[str, Promise] = {
    Reason.TOOL_MISSING: _("install the tool on this host and run the step again"),
    Reason.NEED_PRIVILEGE: _("let the login user run exactly this command through sudo, then run the step again"),
    Reason.TIMEOUT: _("the command was stopped at its time limit; run the step again when the host is less busy"),
    Reason.TRUNCATED: _("the output was cut, so nothing is concluded from it; run the step again"),
    Reason.UNPARSED: _("the output has a form that this check does not read; look at the evidence and tell the author"),
    Reason.EMPTY: _("an empty answer says nothing; look at the error output below"),
    Reason.MISSING: _("a part of the evidence was not collected; run the step again"),
    Reason.KILLED: _("the command was killed on the host; look for the memory killer there, then run the step again"),
    Reason.FAILED: _("the command failed; its error output below says why"),
    Reason.IDLE: _("too little happened between the two samples; run the step again under load"),
    Reason.COUNTER_RESET: _("a counter started over between the two samples; run the step again"),
    Reason.PARAM_INVALID: _("a value for this check does not have the right form; start a new run with another one"),
    Reason.REFUSED: _("the step was refused before it started; ask who manages this host"),
    Reason.CANCELLED: _("the run was stopped before this step ended; run it again"),
    Reason.WORKER_LOST: _("the worker ended twice during this step; look at the worker's log, then run the step again"),
    Reason.NO_WORKER: _("no worker took this step before the run's deadline; start a worker, then run the step again"),
    Reason.EXPIRED: _("the run's deadline passed; run the step again"),
    Reason.PROBE_ERROR: _("this is a fault of the check, not of the host; the raw output is kept, tell the check's author"),
}

_REACH: dict[str, Promise] = {
    Reason.CONNECT_REFUSED: _("nothing listens on that port: is sshd running there, and is the port right?"),
    Reason.CONNECT_TIMEOUT: _("no answer within the time limit: is the host up, and does a firewall let this machine in?"),
    Reason.DNS_FAILED: _("the name has no address: correct the host's address, or the resolver of the worker"),
    Reason.HOST_UNREACHABLE: _("there is no way to the host: look at the route from the worker"),
    Reason.LOGIN_TIMEOUT: _("the port answers but the login does not finish: the host may be out of memory or processes"),
    Reason.SSH_PROTOCOL: _("what answers there does not speak ssh: check the port"),
    Reason.CONN_LOST: _("the connection ended during the checks: has the host gone down?"),
    Reason.HOSTKEY_CHANGED: _(
        "the host shows another key than the pinned one; nothing runs there until a person has compared both"
    ),
    Reason.HOSTKEY_UNKNOWN: _("no key is pinned for this host; compare its fingerprint and pin it first"),
    Reason.AUTH_FAILED: _("the host refused the login: is the public key in the user's authorized_keys?"),
    Reason.AGENT_OFFLINE: _("the agent on this host does not answer: is its service running?"),
}

_HOST_KEYS = frozenset({Reason.HOSTKEY_CHANGED, Reason.HOSTKEY_UNKNOWN})


_NOT_ASKED = _("this check waits for what an earlier one says; settle that one, then run the step again")


def settle(reason: str, *, asked: bool = True) -> Hint | None:
    """How an unknown can be settled."""
    sentence = _SETTLE.get(reason) if asked or reason != Reason.MISSING else _NOT_ASKED
    return Hint(str(_("Settle it:")), str(sentence)) if sentence else None


def reach(reason: str, probe: str) -> Hint | None:
    """What to do about a host nobody got into; the check's script reads the host without a connection."""
    sentence = _REACH.get(reason)
    if not sentence:
        return None
    command = "" if reason in _HOST_KEYS or not probe else f"python -m checks script {probe}"
    return Hint(str(_("Not reached:")), str(sentence), command)


def needs_key_decision(reason: str) -> bool:
    """True when the way on leads to the host's page, where its key is decided."""
    return reason in _HOST_KEYS


def remedy(text: str) -> Hint | None:
    """What a rule advises."""
    return Hint(str(_("What to do:")), text) if text else None
