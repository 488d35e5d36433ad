"""Collectors for one network interface: its interrupts and queues, its counters, its ring."""

from __future__ import annotations

from checks.collectors.base import Collector

# Of each interrupt of the device: its number, the CPUs it goes to, how often it came, its name. Virtio keeps them one level up.
IRQS = Collector(
    "irqs",
    "Interrupts and receive queues of the interface",
    r"""
dir=/sys/class/net/$1
if [ ! -d "$dir" ]; then printf 'no interface %s\n' "$1"; exit 0; fi
printf '== irqs\n'
for path in "$dir"/device/msi_irqs/* "$dir"/device/../msi_irqs/*; do
  irq=${path##*/}
  [ -e "/proc/irq/$irq" ] || continue
  cpus=$(cat "/proc/irq/$irq/effective_affinity_list" 2>/dev/null) || cpus=$(cat "/proc/irq/$irq/smp_affinity_list" 2>/dev/null)
  printf '%s %s ' "$irq" "${cpus:--}"
  awk -v i="$irq:" '$1 == i { for (k = 2; k <= NF; k++) if ($k ~ /^[0-9]+$/) n += $k; name = $NF } END { print n + 0, name }' \
    /proc/interrupts
done
printf '\n'
files "$dir"/queues/rx-*/rps_cpus /sys/devices/system/cpu/online
""",
    args=("iface",),
    looks_like=r"\A== irqs$|\Ano interface |\A\s+CPU\d+\s.*\n(?:.*\n){0,40}?\s*\d+:\s+\d+\s",
)

_COUNTERS = (
    "rx_packets rx_errors rx_dropped rx_missed_errors rx_fifo_errors rx_over_errors rx_crc_errors rx_frame_errors "
    "tx_packets tx_errors tx_dropped tx_carrier_errors"
)

NIC_COUNTERS = Collector(
    "nic",
    "Counters of the interface",
    f"""
dir=/sys/class/net/$1
if [ ! -d "$dir" ]; then printf 'no interface %s\\n' "$1"; exit 0; fi
stats="$dir/statistics"; set -- "$dir/operstate"
for name in {_COUNTERS}; do set -- "$@" "$stats/$name"; done
files "$@"
""",
    args=("iface",),
    sampled=True,
    looks_like=r"^== /sys/class/net/[^/]+/statistics/rx_packets$|^NIC statistics:$|^\s+RX: +bytes +packets +errors",
)

RING = Collector(
    "ring",
    "Ring of the interface",
    """
if have ethtool; then ethtool -g "$1" 2>/dev/null || echo unsupported; else echo absent; fi
""",
    args=("iface",),
    looks_like=r"\ARing parameters for ",
    optional=True,
)
