"""The instruments without a site: list, explain, run, judge, recognise, script, read, docs.

Exit status: 0 ok or info, 1 warn, 2 crit, 3 unknown or skipped, 64 for a command line that cannot be followed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from checks import capture, show
from checks.catalog import catalog, get
from checks.engine import Request, collect
from checks.errors import CheckError, ParamError
from checks.offline import Given, gather, offline_params
from checks.origins import at_source
from checks.params import TYPES, read_all
from checks.pasted import clean, decode
from checks.probes.base import Probe
from checks.recognise import recognise
from checks.redact import redact
from checks.results import ProbeResult, Verdict, worst
from checks.where import reach

USAGE = 64
_EXIT = {Verdict.OK: 0, Verdict.INFO: 0, Verdict.WARN: 1, Verdict.CRIT: 2, Verdict.UNKNOWN: 3, Verdict.SKIPPED: 3}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CheckError(f"{message}; {self.prog} --help says how")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        options = _parser().parse_args(arguments)
        status: int = options.verb(options)
        sys.stdout.flush()
    except CheckError as error:
        print(f"checks: {show.plain(error.say)}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:  # the reader has seen enough; nothing more may be written at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m checks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True, metavar="VERB", parser_class=_Parser)

    def verb(name: str, function: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(verb=function)
        if name not in ("script", "docs"):
            added.add_argument("--json", action="store_true", help="one JSON object per line")
        return added

    verb("list", _list, "the probes, one per line")
    verb("explain", _explain, "what a probe runs, needs, tells and knows").add_argument("probe", metavar="PROBE")
    run = verb("run", _run, "run a probe on this machine or another one")
    run.add_argument("probe", metavar="PROBE")
    run.add_argument("--on", default="local", metavar="WHERE", help="local, or ssh://user@host:port?key=/path&hostkey=/path")
    judge = verb("judge", _judge, "judge files instead of a host")
    judge.add_argument("probe", metavar="PROBE")
    judge.add_argument("-i", dest="inputs", action="append", required=True, metavar="[SECTION=]FILE", help="- is standard input")
    verb("recognise", _recognise, "which probes can read this text").add_argument("file", metavar="FILE")
    script = verb("script", _script, "print a collector to take to a host")
    script.add_argument("probes", nargs="+", metavar="PROBE")
    reader = verb("read", _read, "judge what a collector wrote")
    reader.add_argument("capture", metavar="CAPTURE")
    verb("docs", _docs, "print the documentation of all probes as Markdown")
    for each in (run, judge, script):
        each.add_argument("-w", dest="params", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the probe")
    for each in (run, judge, reader):
        each.add_argument("-l", dest="limits", action="append", default=[], metavar="NAME=VALUE", help="another limit for a rule")
    for each in (run, script):
        each.add_argument("--interval", metavar="10s", help="time between two samples")
    return parser


def _list(options: argparse.Namespace) -> int:
    probes = catalog().values()
    print(
        "\n".join(json.dumps(show.described(probe)) for probe in probes) if options.json else show.catalogue(probes).rstrip("\n")
    )
    return 0


def _explain(options: argparse.Namespace) -> int:
    probe = get(options.probe)
    print(json.dumps(show.described(probe)) if options.json else show.explain(probe).rstrip("\n"))
    return 0


def _run(options: argparse.Namespace) -> int:
    probe = get(options.probe)
    request = Request(
        probe.id, probe, read_all(probe.params, _pairs(options.params)), _limits([probe], options.limits), _interval(options)
    )
    return _tell([asyncio.run(_on(options.on, request))], options.json)


async def _on(where: str, request: Request) -> ProbeResult:
    probe = request.probe
    async with reach(where) as transport:
        found = [collected async for collected in collect([request], transport)]
    error = found[0].error
    if not error:
        return found[0].judge()
    return ProbeResult(probe.id, probe.version, Verdict.UNKNOWN, error.reason, error.say, sections=found[0].sections)


def _judge(options: argparse.Namespace) -> int:
    probe = get(options.probe)
    limits = _limits([probe], options.limits)
    found = gather(probe, [_given(probe, word) for word in options.inputs])
    params = read_all(offline_params(probe), {**found.params, **_pairs(options.params)})
    for note in found.notes:
        print(f"checks: {show.plain(note)}", file=sys.stderr)
    return _tell([at_source(probe.evaluate(found.sections, params, limits), found.origins)], options.json)


def _given(probe: Probe, word: str) -> Given:
    """``SECTION=FILE`` or ``FILE``; a file whose own name has a = in it is told by being there."""
    section, equals, name = word.partition("=")
    if not equals or (not section.isidentifier() and Path(word).exists()):
        section, name = "", word
    hint = f"; give its files one by one: -i SECTION=FILE, of {', '.join(probe.section_names())}"
    return Given(section, name, _bytes(name, hint))


def _recognise(options: argparse.Namespace) -> int:
    text = decode(_bytes(options.file))
    if capture.holds_capture(text):
        rows = [
            {"probe": wanted.probe, "section": section.name}
            for wanted in capture.read(text).wanted
            for section in wanted.sections
        ]
        lines = [f"{row['probe']} {row['section']}" for row in rows]
    else:
        matches = recognise(clean(text))
        rows = [vars(match) for match in matches]
        lines = [f"{match.probe} {match.section}: {match.place}" for match in matches]
    print(
        "\n".join(map(json.dumps, rows) if options.json else lines)
        or "no probe knows this text; if you know what it is: python -m checks judge PROBE -i SECTION=FILE",
        file=sys.stdout if rows else sys.stderr,
    )
    return 0 if rows else 3


def _script(options: argparse.Namespace) -> int:
    probes = [get(name) for name in dict.fromkeys(options.probes)]
    given = _pairs(options.params)
    known = {param.name for probe in probes for param in probe.params}
    for name in set(given) - known:
        raise ParamError(name, f"none of these probes has a parameter {name}; known: {', '.join(sorted(known)) or 'none'}")
    requests = []
    for probe in probes:
        mine = {param.name: given[param.name] for param in probe.params if param.name in given}
        requests.append(Request(probe.id, probe, read_all(probe.params, mine), interval_s=_interval(options)))
    print(capture.script(requests), end="")
    return 0


def _read(options: argparse.Namespace) -> int:
    found = capture.read(decode(_bytes(options.capture)))
    probes = [get(wanted.probe) for wanted in found.wanted]
    limits = _limits(probes, options.limits)
    results = []
    for probe, wanted in zip(probes, found.wanted, strict=True):
        mine = {threshold.name: limits[threshold.name] for threshold in probe.thresholds if threshold.name in limits}
        results.append(probe.evaluate(map(redact, wanted.sections), read_all(probe.params, wanted.params), mine))
    if not found.complete:
        print("checks: this capture has no last line: the collector was cut off or is still running", file=sys.stderr)
    return _tell(results, options.json, found.host)


def _docs(options: argparse.Namespace) -> int:
    print(show.documentation(catalog().values()), end="")
    return 0


def _tell(results: Sequence[ProbeResult], as_json: bool, host: str = "") -> int:
    print("\n".join(json.dumps(found.as_json()) if as_json else show.result(found, host) for found in results).rstrip("\n"))
    return _EXIT[worst(found.verdict for found in results)]


def _pairs(words: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise CheckError(f"{word} is no parameter: write NAME=VALUE")
        pairs[name] = value
    return pairs


def _limits(probes: Sequence[Probe], words: Sequence[str]) -> Mapping[str, float]:
    known = {threshold.name for probe in probes for threshold in probe.thresholds}
    limits: dict[str, Any] = {}
    for name, value in _pairs(words).items():
        if name not in known:
            raise CheckError(f"there is no limit {name}; known limits: {', '.join(sorted(known)) or 'none'}")
        try:
            limits[name] = TYPES["number"].read(value)
        except ValueError:
            raise CheckError(f"the limit {name} must be a number, not {value[:80]}") from None
    return limits


def _interval(options: argparse.Namespace) -> float | None:
    if options.interval is None:
        return None
    try:
        seconds: int = TYPES["duration"].read(options.interval)
    except ValueError:
        seconds = 0
    if seconds < 1:
        raise CheckError(f"--interval must be {TYPES['duration'].say}, not {options.interval[:80]}")
    return seconds


def _bytes(name: str, hint: str = "") -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    if Path(name).is_dir():
        raise CheckError(f"{name} is a directory{hint}")
    try:
        return Path(name).read_bytes()
    except (OSError, ValueError) as error:
        raise CheckError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from error


if __name__ == "__main__":
    sys.exit(main())
