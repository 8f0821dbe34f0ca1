"""What a process may use: limits of control groups of both versions, nested ones too."""

import os
from pathlib import Path

import pytest

from inception_rcnn.data import resources as machine
from inception_rcnn.data.resources import usable_cores, usable_memory

CORES = 8
MEMORY = 2**35


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """A folder of control groups in place of the system's; gives what writes its files."""
    monkeypatch.setattr(machine, "_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(machine, "_physical_memory", lambda: MEMORY)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(CORES)), raising=False)

    def write(own: str, **files: str) -> None:
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")

    return write


def test_without_groups_all_of_the_machine_may_be_used(groups):
    assert (usable_cores(), usable_memory()) == (CORES, MEMORY)


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("2000000 100000", 8),
        ("", 8),
    ],
)
def test_a_share_of_time_is_that_many_cores(groups, quota, cores):
    groups("0::/\n", cpu_dot_max=quota)
    assert usable_cores() == cores


def test_the_smallest_limit_of_nested_groups_counts(groups):
    groups(
        "0::/a/b\n",
        a__b__cpu_dot_max="max 100000",
        a__cpu_dot_max="300000 100000",
        a__b__memory_dot_max="1000000",
        a__memory_dot_max="max",
    )
    assert (usable_cores(), usable_memory()) == (3, 1_000_000)


def test_the_first_version_of_groups_is_known(groups):
    groups(
        "5:cpu,cpuacct:/box\n4:memory:/box\n0::/\n",
        cpu__cpu_dot_cfs_quota_us="400000",
        cpu__cpu_dot_cfs_period_us="100000",
        memory__box__memory_dot_limit_in_bytes="5000000",
        memory__memory_dot_limit_in_bytes="9223372036854771712",
    )
    assert (usable_cores(), usable_memory()) == (4, 5_000_000)


def test_the_cores_that_a_process_is_bound_to_are_all_it_has(groups, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5}, raising=False)
    assert usable_cores() == 1


def test_a_machine_that_says_nothing_has_its_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_OWN_GROUPS", tmp_path / "none")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1
    assert usable_memory() > 0
    assert isinstance(machine._GROUPS, Path)
