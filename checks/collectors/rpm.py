"""Collectors for rpm packaging.

Macros are asked for by name only. A spec is read as text, never expanded, because expanding runs code.
"""

from __future__ import annotations

from checks.collectors.base import Collector

MACROS = (
    "__os_install_post __spec_install_post __arch_install_post __debug_install_post "
    "debug_package __debug_package _enable_debug_packages "
    "_debuginfo_subpackages _debugsource_packages _find_debuginfo_opts _missing_build_ids_terminate_build _build_id_links "
    "_include_minidebuginfo __strip __objdump __brp_strip __brp_strip_lto __brp_strip_static_archive __brp_strip_comment_note "
    "__brp_compress __brp_python_bytecompile __brp_python_hardlink __brp_mangle_shebangs __brp_check_rpaths __brp_ldconfig "
    "__brp_remove_la_files __jar_repack _topdir _rpmconfigdir dist optflags _lto_cflags"
)

SPEC = Collector(
    "spec",
    "The .spec file, as text",
    'cat "$1"',
    args=("spec",),
    looks_like=r"(?s)^(Name|Summary)\s*:.*^%(?:files|install|build|prep)\b|^%files\b",
    max_bytes=2 << 20,
)
BUILD_LOG = Collector(
    "log",
    "What rpmbuild printed",
    'cat "$1"',
    args=("log",),
    looks_like=r"^(?:Executing\(%\w+\): |Processing files: \S|RPM build errors:$|error: Empty %files file )",
    max_bytes=16 << 20,
)
SHOWRC = Collector(
    "showrc",
    "Macros of the build host",
    "rpm --showrc",
    looks_like=r"^Macro path\s*:|^={10,}(?: active \d+ empty \d+)?$\n^-?\d+[:=] ",
    optional=True,
)
VERSION = Collector("version", "rpm's version", "rpm --version", looks_like=r"\ARPM version \d", optional=True)
EVAL = Collector(
    "eval",
    "Macros by name: value, or UNDEF",
    f"""for m in {MACROS}; do
  printf '== %s\\n' "$m"
  rpm --eval "%{{!?$m:UNDEF}}%{{?$m:DEF}}"
  rpm --eval "%{{?$m}}"
done
printf '== end\\n'""",
    looks_like=r"^== __os_install_post$|^.{0,200}[#$%>] ?rpm (?:--eval|-E)[ =]",
)
ELF = Collector(
    "elf",
    "What the binary still holds",
    """file -b -L "$1" 2>/dev/null || printf 'file: not found\\n'
have readelf && readelf -S -W "$1" 2>/dev/null | grep -E '\\.(symtab|debug_info|gnu_debuglink|note\\.gnu\\.build-id)'
printf '== end\\n'""",
    args=("path",),
    looks_like=r"^ELF \d\d-bit [LM]SB",
)
# A query as root touches the database's lock files, and makes a database where there is none (measured, rpm 4.18).
_AS_NOBODY = r"""
query() {
  if [ "$(id -u)" = 0 ] && have setpriv; then setpriv --reuid 65534 --regid 65534 --clear-groups rpm -q "$@"
  elif [ -e "$(rpm --eval '%_dbpath')" ]; then rpm -q "$@"
  else echo 'cannot open the rpm database: there is none' >&2; return 1; fi
}
"""
PACKAGE = Collector(
    "package",
    "An installed package and its debug files",
    _AS_NOBODY
    + """query --qf '%{NAME} %{VERSION}-%{RELEASE} %{RPMVERSION} %{ARCH}\\n' "$1"
printf '== debug files\\n'
query -l "$1" 2>/dev/null | grep -c /usr/lib/debug
printf '== debug packages\\n'
query "$1-debuginfo" "$1-debugsource"
printf '== end\\n'""",
    args=("package",),
    looks_like=r"^== debug packages$",
)
