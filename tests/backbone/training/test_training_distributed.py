import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from line_training import run, squared_error

from inception_rcnn.backbone.training import distributed
from inception_rcnn.data.errors import UsageError

SCRIPT = str(Path(__file__).with_name("line_training.py"))


def torchrun(processes, *arguments):
    """Start several processes of a script or module on this machine; a port is found anew each time."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=False, timeout=120, env=environment
    )


def rows(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_process_on_its_own_is_the_first_of_one():
    parameter = torch.nn.Parameter(torch.ones(2))
    distributed.sum_gradients([parameter])
    distributed.broadcast_weights(torch.nn.Linear(2, 2))
    assert parameter.grad is None
    assert (distributed.rank(), distributed.world_size(), distributed.is_first()) == (0, 1, True)
    assert list(distributed.own_shard(range(5))) == [0, 1, 2, 3, 4]
    assert distributed.totals(3, 0) == [3, 0]
    assert distributed.sums(0.1) == [0.1]
    assert distributed.from_first(lambda: 0.5) == 0.5
    assert distributed.gather_texts("a") == ["a"]
    with distributed.joined(), distributed.first_alone():
        pass


def test_a_step_needs_something_for_every_process(monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 4)
    distributed.require_shards(4, "--images")
    with pytest.raises(UsageError, match="--images 3: need at least 1 for each of the 4 processes"):
        distributed.require_shards(3, "--images")


@pytest.mark.slow
def test_several_processes_make_the_updates_of_one(tmp_path):
    """Sixteen samples do not split evenly over three, and every other step has no gradient for one parameter."""
    done = torchrun(3, SCRIPT, str(tmp_path / "many"), "shared")
    assert done.returncode == 0, done.stderr
    model, saved, _ = run(tmp_path / "one", loss=squared_error)
    kept = torch.load(tmp_path / "many" / "last.ckpt", weights_only=True)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(kept["model"][name], tensor, rtol=1e-5, atol=1e-6)
    for name, tensor in saved[-1].items():
        torch.testing.assert_close(kept["ema"][name], tensor, rtol=1e-5, atol=1e-6)
    means = [row for row in rows(tmp_path / "many") if "loss" in row]
    for row, expected in zip(means, rows(tmp_path / "one"), strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], abs=2e-5)
        assert row["samples"] == expected["samples"] == 16
    assert done.stdout.count("step 25/90") == 1  # the first talks for all
    assert done.stdout.count("step 30: validation") == 1


LEAVING = """
import sys
from pathlib import Path
import torch
from inception_rcnn.backbone.training.distributed import joined, wait_for_all

with joined():
    torch.optim.SGD(torch.nn.Linear(2, 1).parameters())
    wait_for_all()
names = [task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
sys.stdout.write(f"left: {[name for name in names if 'gloo' in name]}\\n")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="threads are listed in /proc")
def test_no_thread_of_the_group_outlives_it(tmp_path):
    """One that does aborts some of the processes that end: torch.distributed.nn.functional must not know the group."""
    path = tmp_path / "leaving.py"
    path.write_text(LEAVING)
    done = torchrun(2, str(path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("left: []") == 2


FAILING = """
import sys
from pathlib import Path
sys.path.append(sys.argv[2])
from inception_rcnn.backbone.training.distributed import joined, rank
from inception_rcnn.data.errors import DataError
from line_training import batch_at, run, squared_error

def failing(step):
    if step == 5 and rank() == 1 and sys.argv[3] == "breaks":
        raise DataError("b.jpg: broken")
    made = batch_at(step)
    return (*made[:2], made[2] * float("nan"), made[3]) if step == 45 and rank() == 1 else made

@joined()
def main():
    run(Path(sys.argv[1]), batch=failing, loss=squared_error)

try:
    main()
except Exception as error:
    sys.exit(f"{rank()}: {error}")
"""


@pytest.fixture
def failing(tmp_path):
    path = tmp_path / "failing.py"
    path.write_text(FAILING)
    return str(path)


@pytest.mark.slow
def test_a_process_that_fails_ends_the_run(failing, tmp_path):
    done = torchrun(2, failing, str(tmp_path / "out"), str(Path(__file__).parent), "breaks")
    assert done.returncode != 0
    assert "b.jpg: broken" in done.stderr
    assert "another process of this run has ended" in done.stderr or "0:" not in done.stderr
    assert not (tmp_path / "out" / "last.ckpt").exists()


@pytest.mark.slow
def test_a_loss_that_is_no_number_in_one_process_stops_all_and_the_first_says_why(failing, tmp_path):
    done = torchrun(2, failing, str(tmp_path / "out"), str(Path(__file__).parent), "nan")
    assert done.returncode != 0
    assert done.stderr.count("the loss is nan at step 45") == 1
    assert torch.load(tmp_path / "out" / "last.ckpt", weights_only=True)["state"]["step"] == 40


@pytest.fixture
def group_of_one(monkeypatch):
    """As `torchrun` starts a single process: all goes through torch's own group."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, value in {
        "RANK": 0,
        "WORLD_SIZE": 1,
        "LOCAL_RANK": 0,
        "LOCAL_WORLD_SIZE": 1,
        "MASTER_PORT": port,
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with distributed.joined():
        yield
    assert not torch.distributed.is_initialized()


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch cannot train in several processes")
def test_a_group_of_one_adds_up_gathers_and_broadcasts(group_of_one):
    assert torch.distributed.is_initialized()
    assert (distributed.rank(), distributed.world_size()) == (0, 1)
    assert distributed.totals(3, 2**40) == [3, 2**40]
    assert distributed.sums(0.1, -2.5) == [0.1, -2.5]
    assert distributed.gather_texts("a") == ["a"]
    assert distributed.from_first(lambda: 0.25) == 0.25
    with distributed.first_alone():
        pass
    used, unused = torch.nn.Parameter(torch.ones(2, 3)), torch.nn.Parameter(torch.ones(4))
    (used * torch.arange(6.0).reshape(2, 3)).sum().backward()
    distributed.sum_gradients([used, unused])
    assert used.grad is not None
    assert used.grad.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert unused.grad is None
    layer = torch.nn.Linear(2, 2)
    before = layer.weight.tolist()
    distributed.broadcast_weights(layer)
    assert layer.weight.tolist() == before
