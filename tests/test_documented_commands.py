"""Every command of the README, of `docs/` and of the model cards, as it is printed, on data as small as can be."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import documented_commands
import pytest
import torch
from safetensors.torch import save_file
from test_backbone_caffe import blob, layer
from test_deploy import run, shim
from test_readme import PAGES, blocks

from inception_rcnn.backbone.classification.model_folder import save_classifier
from inception_rcnn.backbone.googlenet import GoogLeNet
from inception_rcnn.data.formats.voc.annotations import VOC_CLASSES
from inception_rcnn.detector.config import DetectorConfig
from inception_rcnn.detector.ensemble import Ensemble
from inception_rcnn.detector.model_folders import save_detector
from inception_rcnn.detector.network import RegionNetwork

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="scripts for sh")]

FIRST = 2  # the README's block in which a model is trained, and detections are made that others start from
TWO_IMAGES = " ".join([*documented_commands.SHORTER["train finetune"], "--images 2", "--regions 4"])
LARGE = 2**20  # bytes
SCRIPTS = [(page, number, text) for page in PAGES for number, text in enumerate(blocks("sh", page))]
SCRIPTS.remove(("README.md", FIRST, blocks("sh", "README.md")[FIRST]))  # the world is made by it
LOCAL = [pytest.param(*script, id=f"{script[0]}-{script[1]}") for script in SCRIPTS if "ray" not in script[2]]
RAY = [pytest.param(*script, id=f"{script[0]}-{script[1]}") for script in SCRIPTS if "ray" in script[2]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the commands name, and programs that do little in the place of those that take hours."""
    folder = tmp_path_factory.mktemp("world")
    documented_commands.make_world(folder)
    torch.manual_seed(0)
    _save_classifiers(folder, GoogLeNet(1000))
    save_classifier(folder / "CLASSIFIER", GoogLeNet(2), ("cat", "dog"), {})
    members = [RegionNetwork(len(VOC_CLASSES), ("shared",)) for _ in range(2)]
    save_detector(folder / "ENSEMBLE", Ensemble(members), DetectorConfig(VOC_CLASSES))
    program = f'"{sys.executable}" "{documented_commands.__file__}"'
    shim(folder, "inception-rcnn", f'exec {program} "$@"')
    shim(folder, "torchrun", f'exec "{sys.executable}" -m torch.distributed.run --standalone "$@" {TWO_IMAGES}')
    shim(folder, "pip", "exit 0")
    shim(folder, "../run", 'case "$1" in demo | test) ;; *) exec "$@" ;; esac')  # those have tests of their own
    execute(folder, blocks("sh", "README.md")[FIRST])
    shutil.copytree(folder / "found", folder / "other")
    shutil.rmtree(folder / "model")  # other blocks train one of that name
    return folder


def _save_classifiers(folder: Path, network: GoogLeNet) -> None:
    tensors = network.state_dict()
    save_file(tensors, folder / "bvlc_googlenet.safetensors")
    layers = dict.fromkeys(name.rpartition(".")[0] for name in tensors)
    content = [
        layer(name, "", *(blob(tensors[f"{name}.{part}"].numpy()) for part in ("weight", "bias"))) for name in layers
    ]
    (folder / "bvlc_googlenet.caffemodel").write_bytes(b"".join(content))


def execute(folder: Path, script: str, **environment: str) -> None:
    """Run a script in which everything must succeed, also in the background, and write what it says it writes."""
    waiting = 'for job in $(jobs -p); do wait "$job"; done\n'
    own = {"INCEPTION_RCNN_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1", **environment}
    done = run(["bash", "-euc", f"{script}\n{waiting}"], folder, **own)
    assert done.returncode == 0, done.stderr[-3000:]
    for out in re.findall(r"--(?:out|json) ([\w./-]+)", script):
        assert [*folder.glob(f"{out}*")], out


@pytest.fixture
def folder(world: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of the world; what is large, and only read, is linked."""

    def copy(source: str, target: str) -> None:
        (os.link if os.path.getsize(source) > LARGE else shutil.copy2)(source, target)

    here = shutil.copytree(world, tmp_path / "here", copy_function=copy)
    if request.node.callspec.params["page"] != "README.md":
        shutil.rmtree(here / "found")  # the other pages begin anew
    return here


@pytest.mark.parametrize(("page", "number", "script"), LOCAL)
def test_the_commands_run(folder: Path, page: str, number: int, script: str) -> None:
    earlier = "".join(blocks("sh", page)[:number])
    variables = re.findall(r'^[A-Z]+="[^"]*"', earlier, re.MULTILINE)
    execute(folder, "\n".join([*variables, script.replace("0 1 2 3 4 5", "0 1")]))


@pytest.fixture
def cluster() -> Iterator[dict[str, str]]:
    """A cluster of Ray's on this machine; the environment in which `auto` is this one."""
    pytest.importorskip("ray", reason="Ray is an extra: pip install 'inception-rcnn[ray]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ray = Path(sys.executable).with_name("ray")
    options = ["--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats", f"--port={port}"]
    found = {"RAY_ADDRESS": f"127.0.0.1:{port}", "RAY_AUTH_MODE": "disabled"}
    own: dict[str, Any] = {"env": {**os.environ, **found}, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    head, end = subprocess.Popen([ray, "start", "--head", "--block", *options], **own), time.monotonic() + 60
    while subprocess.run([ray, "status"], check=False, **own).returncode:
        assert time.monotonic() < end
        time.sleep(0.5)
    yield found
    head.terminate()
    head.wait()


@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize(("page", "number", "script"), RAY)
def test_rays_commands_run(folder: Path, cluster: dict[str, str], page: str, number: int, script: str) -> None:
    execute(folder, script, **cluster)
