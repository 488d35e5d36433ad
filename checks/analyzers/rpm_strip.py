"""What a spec's switches do to the package: one row of the matrix that was measured with rpm 4.18 and Red Hat's macros.

| the spec has | debuginfo package | shipped binary |
|---|---|---|
| nothing | yes | stripped |
| only ``debug_package %{nil}`` | no | ``.debug_*`` sections removed, symbol table kept |
| only ``__os_install_post %{nil}`` | yes | stripped: find-debuginfo runs from ``__spec_install_post`` |
| both | no | untouched; man pages not compressed, Python not compiled |
| ``__brp_strip %{nil}`` and ``debug_package %{nil}`` | no | untouched; the other steps still run |
| ``__strip /bin/true`` and ``debug_package %{nil}`` | no | untouched |

With Debian's macros, which make no debuginfo package, nothing strips symbols but ``__os_install_post``'s brp-strip.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from checks.parsers.rpm_showrc import Showrc
from checks.parsers.rpm_spec import Definition, Spec

_NIL = re.compile(r"\A(?:%\{?nil\}?)?\Z")
_NOTHING = re.compile(r"\A(?:/usr)?/bin/true\Z|\A:\Z|\Atrue\Z")
SIDE_EFFECTS = "compression of man pages, byte-compiling and hard-linking of Python, shebang, rpath, ldconfig and .la handling"


@dataclass(frozen=True)
class Row:
    """What happens to the package. None means it was not measured for this combination."""

    name: str
    debuginfo: bool | None
    binary: str

    @property
    def keeps_symbols(self) -> bool | None:
        """True when the shipped binary is as the compiler left it."""
        return None if self.binary == "unknown" else self.binary == "untouched"


@dataclass(frozen=True)
class Switches:
    """The definitions that decide, by switch; a switch under a condition is in ``conditional`` and not decided."""

    on: Mapping[str, Definition]
    conditional: Mapping[str, Definition]

    def has(self, name: str) -> bool:
        """True when the switch is set unconditionally."""
        return name in self.on


_SWITCHES: dict[str, tuple[str, Callable[[str], bool]]] = {
    "os_install_post_nil": ("__os_install_post", lambda body: bool(_NIL.match(body))),
    "os_install_post_custom": ("__os_install_post", lambda body: not _NIL.match(body)),
    "spec_install_post_nil": ("__spec_install_post", lambda body: bool(_NIL.match(body))),
    "debug_package_nil": ("debug_package", lambda body: bool(_NIL.match(body))),
    "brp_strip_nil": ("__brp_strip", lambda body: bool(_NIL.match(body))),
    "strip_noop": ("__strip", lambda body: bool(_NOTHING.match(body))),
    "lto_off": ("_lto_cflags", lambda body: bool(_NIL.match(body))),
    "build_id_links_none": ("_build_id_links", lambda body: body == "none"),
    "missing_build_ids_ignored": ("_missing_build_ids_terminate_build", lambda body: body == "0"),
    "jar_repack_off": ("__jar_repack", lambda body: body in ("0", "%{nil}")),
}


def switches(spec: Spec) -> Switches:
    """The switches that the spec sets. The last definition of a macro wins."""
    on: dict[str, Definition] = {}
    conditional: dict[str, Definition] = {}
    for name, (macro, holds) in _SWITCHES.items():
        last = spec.last(macro)
        if last and last.kind in ("define", "global") and not _vanishes(last) and holds(last.body):
            (conditional if last.condition or last.in_braces else on)[name] = last
    enabled = spec.last("_enable_debug_packages")
    if enabled and (enabled.kind == "undefine" or enabled.body in ("0", "%{nil}")):
        (conditional if enabled.condition or enabled.in_braces else on)["enable_debug_undef"] = enabled
    return Switches(on, conditional)


def _vanishes(definition: Definition) -> bool:
    return definition.kind == "define" and definition.in_braces


def macro_family(showrc: Showrc) -> str:
    """Whose macros the build host has: redhat_inline (RHEL 7 and older), redhat_brp, debian, suse or unknown."""
    body = showrc.macros["__os_install_post"].body if "__os_install_post" in showrc.macros else ""
    if "redhat/brp-" in body and "__brp_strip" not in showrc.macros:
        return "redhat_inline"
    if (
        "redhat" in showrc.path
        or "redhat/" in body
        or ("_enable_debug_packages" in showrc.macros and "__brp_strip" in showrc.macros)
    ):
        return "redhat_brp"
    if "/debian/" in showrc.path:
        return "debian"
    return "suse" if "/suse/" in showrc.path or "brp-suse" in body else "unknown"


def row(found: Switches, family: str) -> Row:
    """The row of the matrix for these switches on a host of that macro family."""
    no_debug = found.has("debug_package_nil") or found.has("enable_debug_undef")
    no_post = found.has("os_install_post_nil")
    no_strip = found.has("strip_noop") or (found.has("brp_strip_nil") and family != "redhat_inline")
    if found.has("os_install_post_custom"):
        custom = found.on["os_install_post_custom"].body
        no_post = no_post or "strip" not in custom
    if family == "debian":
        return Row("debian macros", debuginfo=False, binary="untouched" if no_post or no_strip else "debug sections removed")
    if found.has("spec_install_post_nil"):
        return Row("spec_install_post_nil", debuginfo=False, binary="untouched" if no_debug else "unknown")
    if not no_debug:
        name = "only os_install_post_nil" if no_post else "nothing"
        noop_only = found.has("strip_noop") and not no_post
        return Row("strip_noop" if noop_only else name, debuginfo=True, binary="unknown" if noop_only else "stripped")
    if no_post:
        return Row("both", debuginfo=False, binary="untouched")
    if no_strip:
        name = "strip_noop and debug_package_nil" if found.has("strip_noop") else "brp_strip_nil and debug_package_nil"
        return Row(name, debuginfo=False, binary="untouched")
    return Row("only debug_package_nil", debuginfo=False, binary="debug sections removed")
