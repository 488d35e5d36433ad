"""The words of iptables' match extensions: how many values follow each option, and which extensions are known.

Counted in the output of iptables-save 1.8.9 and of public dumps; an option that is not here makes its rule opaque, never wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

SHORT: Mapping[str, str] = {"-s": "s", "-d": "d", "-p": "p", "-i": "i", "-o": "o", "-f": "fragment"}

SYNONYMS: Mapping[str, str] = {
    "source": "s",
    "destination": "d",
    "protocol": "p",
    "proto": "p",
    "in-interface": "i",
    "out-interface": "o",
    "source-port": "sport",
    "destination-port": "dport",
    "source-ports": "sports",
    "destination-ports": "dports",
}

_NO_VALUE = """
fragment rcheck update remove set reap rttl rsource rdest syn physdev-is-in physdev-is-out physdev-is-bridged
limit-iface-in limit-iface-out invert loose validmark accept-local transparent nowildcard restore-skmark
strict next reqid-any socket-exists return-nomatch hashlimit-rate-match
"""
_ONE_VALUE = """
s d p i o source destination protocol proto in-interface out-interface source-port destination-port source-ports
destination-ports comment ctstate ctstatus ctproto ctorigsrc ctorigdst ctreplsrc ctrepldst ctorigsrcport ctorigdstport
ctreplsrcport ctrepldstport ctdir ctexpire state mark dport sport dports sports ports probability mode every packet name
seconds hitcount mask dst-type src-type limit limit-burst icmp-type icmpv6-type uid-owner gid-owner mac-source cidr helper
physdev-in physdev-out tcp-option mss length pkt-type ttl-eq ttl-lt ttl-gt hl-eq hl-lt hl-gt tos dscp dscp-class src-range
dst-range dir pol spi reqid tunnel-src tunnel-dst hashlimit-upto hashlimit-above hashlimit-burst hashlimit-mode
hashlimit-name hashlimit-htable-expire hashlimit-htable-size hashlimit-htable-max hashlimit-htable-gcinterval
hashlimit-srcmask hashlimit-dstmask connlimit-above connlimit-upto connlimit-mask algo from to string hex-string
chunk-types u32 bytecode object-pinned source-country destination-country src-cc dst-cc timestart timestop datestart
datestop weekdays monthdays connbytes connbytes-dir connbytes-mode label quota vproto vaddr vport vdir vmethod vportctl
cgroup path suppl-groups realm nfacct-name
"""
_MODULES = """
comment conntrack state mark connmark tcp udp udplite sctp dccp icmp icmp6 icmpv6 ipv6-icmp statistic recent addrtype set
multiport limit hashlimit connlimit physdev owner mac rpfilter policy socket iprange length pkttype ttl hl tos dscp helper
tcpmss string u32 bpf geoip time connbytes quota ipvs cgroup realm esp ah
nfacct
"""

ARITY: Mapping[str, int] = {
    **dict.fromkeys(_NO_VALUE.split(), 0),
    **dict.fromkeys(_ONE_VALUE.split(), 1),
    "match-set": 2,
    "tcp-flags": 2,
}
"""Values that follow each option in saved rules."""

MODULES = frozenset(_MODULES.split())
"""Match extensions whose options are known. Any other makes the rule opaque."""

_TARGETS = """
ACCEPT DROP REJECT RETURN QUEUE NFQUEUE LOG NFLOG ULOG TRACE AUDIT MARK CONNMARK SECMARK CONNSECMARK DNAT SNAT MASQUERADE
REDIRECT NETMAP TPROXY NOTRACK CT TCPMSS TCPOPTSTRIP CHECKSUM CLASSIFY DSCP TOS TTL HL ECN SET TEE IDLETIMER LED HMARK
RATEEST SYNPROXY CLUSTERIP FULLCONENAT FLOWOFFLOAD MIRROR SAME DNPT SNPT
"""

TARGETS = frozenset(_TARGETS.split())
"""Targets that are not chains."""

BARE = frozenset(("rpfilter", "socket"))
"""Match extensions that say yes or no without any option."""
