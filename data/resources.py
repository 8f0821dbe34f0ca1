"""What this process may use of the machine: in a container or a batch job less than the machine has.

Linux's control groups come in two versions, and both can be nested: the smallest limit counts.
"""

import os
import sys
from collections.abc import Iterator
from math import ceil
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")
_UNKNOWN_MEMORY = 4 * 2**30  # bytes, where the system does not say


def usable_cores() -> int:
    """How many threads to use: one for each core of this process, or of its quota of their time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [_cores(text) for text in _controls("", "cpu.max")]
    limits = zip(_controls("cpu", "cpu.cfs_quota_us"), _controls("cpu", "cpu.cfs_period_us"), strict=False)
    quotas += [_cores(f"{quota} {period}") for quota, period in limits]
    return max(1, min(cores, *(ceil(quota) for quota in quotas if quota > 0)) if any(quotas) else cores)


def usable_memory() -> int:
    texts = [*_controls("", "memory.max"), *_controls("memory", "memory.limit_in_bytes")]
    return min([_physical_memory(), *(int(text) for text in texts if text.isdecimal())])


def peak_memory() -> int | None:
    """The most bytes of memory that this process has had at a time; None where the system does not say."""
    if resource is None:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _cores(text: str) -> float:
    """Cores from a quota and a period, both in microseconds; 0 where there is no limit."""
    quota, _, period = text.partition(" ")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else 0.0


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return _UNKNOWN_MEMORY


def _controls(controller: str, name: str) -> Iterator[str]:
    """The text of a control file in each group that this process is in; the second version has no controllers."""
    for line in _text(_OWN_GROUPS).splitlines():
        _, controllers, group = (*line.split(":", 2), "", "")[:3]
        if controller not in controllers.split(","):
            continue
        # In a container the group's own path may be that of the host: then only the root is there.
        below = Path(group.strip("/"))
        for folder in (below, *below.parents):
            if text := _text(_GROUPS / controller / folder / name):
                yield text


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
