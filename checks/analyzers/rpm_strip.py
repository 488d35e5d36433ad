"""What a spec's switches do to the package: one row of the matrix that was measured with rpm 4.18 and Red Hat's macros.

| the spec has | debuginfo package | shipped binary |
|---|---|---|
| nothing, or only ``__strip /bin/true`` | yes | stripped: find-debuginfo does not ask ``__strip`` |
| only ``debug_package %{nil}``, or no ``%setup`` | no | ``.debug_*`` sections removed, symbol table kept |
| only ``__os_install_post %{nil}`` | yes | stripped: find-debuginfo runs from ``__spec_install_post`` |
| both | no | untouched; man pages not compressed, Python not compiled |
| ``__brp_strip %{nil}`` and ``debug_package %{nil}`` | no | untouched; the other steps still run |
| ``__strip /bin/true`` and ``debug_package %{nil}`` | no | untouched |
| ``__spec_install_post`` or ``__debug_install_post`` ``%{nil}`` alone | the build fails: debugfiles.list is missing | |
| ``debug_package %{nil}`` below ``%install`` | yes, up to rpm 4.19 | stripped |
| ``_enable_debug_packages 0`` | yes, up to rpm 4.19: only ``%undefine`` counts | stripped |

With Debian's macros, which make no debuginfo package, nothing strips symbols but ``__os_install_post``'s brp-strip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice, product

from checks.analyzers.rpm_post import finds_debuginfo, is_nil, is_nothing, parts, strips
from checks.parsers.rpm_blocks import Definition
from checks.parsers.rpm_showrc import Showrc
from checks.parsers.rpm_spec import Spec

SIDE_EFFECTS = "compression of man pages, byte-compiling and hard-linking of Python, shebang, rpath, ldconfig and .la handling"
UNTOUCHED, STRIPPED, DEBUG_REMOVED, UNKNOWN = "untouched", "stripped", "debug sections removed", "unknown"
NEW_SWITCH = (4, 20)
_COMBINATIONS = 4096
Chosen = Mapping[str, Definition | None]


@dataclass(frozen=True)
class Row:
    """What happens to the package. None means that the text does not tell."""

    name: str
    debuginfo: bool | None
    binary: str
    fails: bool = False

    @property
    def keeps_symbols(self) -> bool | None:
        """True when the shipped binary is as the compiler left it."""
        return None if self.binary == UNKNOWN else self.binary == UNTOUCHED


@dataclass(frozen=True)
class Host:
    """What is known of the build host: whose macros it has, its rpm, the bodies of its macros."""

    family: str = "unknown"
    version: tuple[int, int] = (0, 0)
    bodies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Switches:
    """The definitions that decide, by switch; one that may not be made, or not in time, is in ``conditional``."""

    on: Mapping[str, Definition]
    conditional: Mapping[str, Definition]

    def has(self, name: str) -> bool:
        """True when the switch is set for sure."""
        return name in self.on


_SWITCHES: dict[str, tuple[str, Callable[[str], bool]]] = {
    "os_install_post_nil": ("__os_install_post", is_nil),
    "os_install_post_custom": ("__os_install_post", lambda body: not is_nil(body)),
    "spec_install_post_nil": ("__spec_install_post", lambda body: is_nil(body) or is_nothing(body)),
    "spec_install_post_custom": ("__spec_install_post", lambda body: not (is_nil(body) or is_nothing(body))),
    "debug_install_post_nil": ("__debug_install_post", lambda body: is_nil(body) or is_nothing(body)),
    "debug_package_nil": ("debug_package", is_nil),
    "debug_package_by_hand": ("__debug_package", lambda _: True),
    "brp_strip_nil": ("__brp_strip", lambda body: is_nil(body) or is_nothing(body)),
    "strip_noop": ("__strip", is_nothing),
    "enable_debug_undef": ("_enable_debug_packages", lambda body: is_nil(body) or body == "0"),
    "lto_off": ("_lto_cflags", is_nil),
    "build_id_links_none": ("_build_id_links", lambda body: body == "none"),
    "missing_build_ids_ignored": ("_missing_build_ids_terminate_build", lambda body: body == "0"),
    "jar_repack_off": ("__jar_repack", lambda body: body == "0" or is_nil(body)),
}
DECIDING = (*islice(_SWITCHES, 10),)
_AT_INSTALL = ("debug_package", "_enable_debug_packages")
DECISIVE = (
    *_AT_INSTALL,
    "__debug_package",
    "__os_install_post",
    "__spec_install_post",
    "__debug_install_post",
    "__brp_strip",
    "__strip",
)


def macro_family(showrc: Showrc) -> str:
    """Whose macros the build host has: redhat_inline (RHEL 7 and older), redhat_brp, debian, suse or unknown."""
    body = showrc.macros["__os_install_post"].body if "__os_install_post" in showrc.macros else ""
    if "redhat/brp-" in body and "__brp_strip" not in showrc.macros:
        return "redhat_inline"
    if "redhat" in showrc.path or "redhat/" in body:
        return "redhat_brp"
    if "/debian/" in showrc.path:
        return "debian"
    if "/suse/" in showrc.path or "brp-suse" in body:
        return "suse"
    return "redhat_brp" if {"_enable_debug_packages", "__brp_strip"} <= showrc.macros.keys() else "unknown"


def host_of(showrc: Showrc | None, version: tuple[int, int]) -> Host:
    """What the output of rpm --showrc and rpm --version tells of the build host."""
    if showrc is None:
        return Host(version=version)
    return Host(macro_family(showrc), version, {name: macro.body.strip() for name, macro in showrc.macros.items()})


def switches(spec: Spec, host: Host) -> Switches:
    """The switches that the spec sets. The last definition of a macro wins."""
    on: dict[str, Definition] = {}
    conditional: dict[str, Definition] = {}
    for name, (macro, holds) in _SWITCHES.items():
        states = _states(spec, macro, host)
        answers = [one is not None and _sets(one, macro, holds, host) for one in states]
        last = next((one for one, answer in zip(reversed(states), reversed(answers), strict=True) if answer is not False), None)
        if last:
            (on if all(answer is True for answer in answers) else conditional)[name] = last
    return Switches(on, conditional)


def _states(spec: Spec, macro: str, host: Host) -> list[Definition | None]:
    """The definitions that may count. Up to rpm 4.19 the debuginfo package is declared where %install begins."""
    install = spec.line_of("install") if macro in _AT_INSTALL else 0
    if not install or host.version >= NEW_SWITCH:
        return spec.states(macro)
    in_time, late = spec.states(macro, before=install), spec.states(macro)
    return in_time if host.version > (0, 0) else [*in_time, *(one for one in late if one not in in_time)]


def _sets(one: Definition, macro: str, holds: Callable[[str], bool], host: Host) -> bool | None:
    """Whether the definition sets the switch; None when that depends on the host."""
    if one.kind == "undefine":  # it uncovers an older definition, where there is one: measured with __brp_strip
        return True if macro in ("_enable_debug_packages", "_missing_build_ids_terminate_build") else None
    if not holds(one.body):
        return False
    if macro == "_enable_debug_packages":
        return None if host.version == (0, 0) else host.version >= NEW_SWITCH
    return True


def rows(spec: Spec, host: Host) -> list[Row]:
    """The rows of the matrix that may come true: one, unless a condition or the host decides between several."""
    choices = [_states(spec, macro, host) for macro in DECISIVE]
    found: dict[tuple[bool | None, str, bool], Row] = {}
    for combination in islice(product(*choices), _COMBINATIONS):
        one = _row(dict(zip(DECISIVE, combination, strict=True)), spec, host)
        found.setdefault((one.debuginfo, one.binary, one.fails), one)
    return list(found.values())


def _row(chosen: Chosen, spec: Spec, host: Host) -> Row:
    declared = _declared(chosen, spec, host)
    with_package, without = _stripped_by_debuginfo(chosen, host), _left_by_strip(chosen, spec, host)
    by_hand = chosen["__debug_package"]
    if (
        not declared and by_hand and by_hand.kind != "undefine"
    ):  # as a kernel's spec does: find-debuginfo runs for packages of its own
        binary = UNKNOWN if with_package.fails else with_package.binary
        return Row("debug_package by hand", debuginfo=None, binary=binary)
    if declared is None:
        same = with_package.binary == without.binary and not with_package.fails
        return Row("debug_package changed", debuginfo=None, binary=with_package.binary if same else UNKNOWN)
    return with_package if declared else without


def _declared(chosen: Chosen, spec: Spec, host: Host) -> bool | None:
    """Whether the debuginfo package is declared."""
    new_switch = host.version >= NEW_SWITCH and host.bodies.get("_enable_debug_packages", "0") not in ("", "0")
    if host.family == "debian" and not new_switch and "debug_package" not in host.bodies.get("install", ""):
        return False
    answers: list[bool | None] = []
    for macro, name in (("debug_package", "debug_package_nil"), ("_enable_debug_packages", "enable_debug_undef")):
        one = chosen[macro]
        body = host.bodies.get(macro)
        if one is not None:
            off = _sets(one, macro, _SWITCHES[name][1], host)
            answers.append(None if macro == "debug_package" and off is False and "debuginfo" not in one.body else off)
        elif body is not None:
            answers.append(is_nil(body) if macro == "debug_package" else body == "0" and host.version >= NEW_SWITCH)
    if True in answers or (not spec.has_setup and not {"debug_package", "debuginfo_package"} & spec.uses.keys()):
        return False
    return None if None in answers else True


def _body(chosen: Chosen, macro: str, host: Host) -> str | None:
    """The body that counts; None for Red Hat's own, or an undefined one."""
    one = chosen[macro]
    return one.body if one else host.bodies.get(macro)


def _stripped_by_debuginfo(chosen: Chosen, host: Host) -> Row:
    """The debuginfo package is declared: find-debuginfo strips, or the build has no list of debug files."""
    spec_post, debug_post = _body(chosen, "__spec_install_post", host), _body(chosen, "__debug_install_post", host)
    runs = parts(spec_post)[0] if spec_post is not None else True
    finds = finds_debuginfo(debug_post) if debug_post is not None else True
    if runs is False or finds is False:
        name = "spec_install_post_nil" if runs is False else "debug_install_post_nil"
        return Row(name, debuginfo=True, binary=UNKNOWN, fails=True)
    if runs is None or finds is None:
        return Row("debug_install_post changed", debuginfo=None, binary=UNKNOWN)
    strip, post = chosen["__strip"], chosen["__os_install_post"]
    if post is not None and is_nil(post.body):
        return Row("only os_install_post_nil", debuginfo=True, binary=STRIPPED)
    noop = strip is not None and is_nothing(strip.body)
    return Row("only strip_noop" if noop else "nothing", debuginfo=True, binary=STRIPPED)


def _left_by_strip(chosen: Chosen, spec: Spec, host: Host) -> Row:
    """No debuginfo package: brp-strip runs from __os_install_post, unless something keeps it from that."""
    spec_post, post = _body(chosen, "__spec_install_post", host), _body(chosen, "__os_install_post", host)
    strip, brp = chosen["__strip"], chosen["__brp_strip"]
    runs: bool | None = parts(spec_post)[1] if spec_post is not None else True
    has_strip = strips(post, lambda name: _resolve(name, spec, host)) if post is not None else True
    if runs is False:
        return Row("spec_install_post_nil", debuginfo=False, binary=UNTOUCHED)
    if has_strip is False:
        return Row("debian macros" if host.family == "debian" else "both", debuginfo=False, binary=UNTOUCHED)
    if strip is not None and is_nothing(strip.body):
        return Row("strip_noop and debug_package_nil", debuginfo=False, binary=UNTOUCHED)
    if brp is not None and brp.kind != "undefine" and (is_nil(brp.body) or is_nothing(brp.body)):
        if host.family != "redhat_inline" and not (post is not None and chosen["__os_install_post"] and "/brp-strip" in post):
            return Row("brp_strip_nil and debug_package_nil", debuginfo=False, binary=UNTOUCHED)
    elif brp is not None:
        return Row("brp_strip changed", debuginfo=False, binary=UNKNOWN)
    if runs is None or has_strip is None or (strip is not None and "strip" not in strip.body and not is_nil(strip.body)):
        return Row("os_install_post changed", debuginfo=False, binary=UNKNOWN)
    name = "debian macros" if host.family == "debian" else "only debug_package_nil"
    if name[0] == "o" and not spec.has_setup and chosen["debug_package"] is None:
        name = "no %setup"
    return Row(name, debuginfo=False, binary=DEBUG_REMOVED)


def _resolve(name: str, spec: Spec, host: Host) -> str | None:
    last = spec.states(name)[-1]
    return last.body if last else host.bodies.get(name)
