"""The files of docs/deploy are what they are for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import REPOSITORY
from untrained_model import save_untrained

from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.detector.scale.sharded_run import merge_shards

DEPLOY = REPOSITORY / "docs" / "deploy"
SCRIPTS = sorted(DEPLOY.glob("*.sh"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_untrained(tmp_path / "model")
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(4):
        pixels = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
        (tmp_path / "photos" / f"{number}.png").write_bytes(encode_image(pixels, ".png"))
    return tmp_path


def shim(folder: Path, name: str, text: str) -> None:
    (folder / "bin").mkdir(exist_ok=True)
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def run(words: list[str], folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        words, cwd=folder, env={**os.environ, "PATH": path, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a script for sh")
def test_slurms_array_is_all_shards_of_a_run(folder: Path) -> None:
    shim(folder, "srun", 'exec "$@"')
    shim(folder, "sbatch", f'echo "$@" >> {folder}/submitted')
    shim(folder, "inception-rcnn", f'exec "{sys.executable}" -m inception_rcnn "$@" --model "{folder}/model"')
    for index in range(2):
        array = {"SLURM_ARRAY_TASK_ID": str(index), "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_JOB_ID": "17"}
        sources = {"PHOTOS": str(folder / "photos"), "OUT": str(folder / "found"), "SLURM_CPUS_PER_TASK": "1"}
        done = run(["sh", str(DEPLOY / "slurm_detect.sh")], folder, **array, **sources)
        assert done.returncode == 0, done.stderr
    assert "--dependency=afterok:17" in (folder / "submitted").read_text()
    assert merge_shards(folder / "found").startswith("2 shards, 4 images (0 failed)")


def test_slurms_training_starts_torchrun_and_resumes(tmp_path: Path) -> None:
    shim(tmp_path, "srun", 'echo "$@"')
    shim(tmp_path, "scontrol", "echo first; echo second")
    job = {"SLURM_JOB_NODELIST": "x", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "9", "DATA": "voc:a b:val"}
    for resumed in (False, True):
        done = run(["sh", str(DEPLOY / "slurm_train.sh")], tmp_path, **job, OUT=str(tmp_path / "model"))
        assert done.returncode == 0, done.stderr
        assert "torchrun --nnodes 2 --nproc-per-node 8" in done.stdout
        assert "--rdzv-endpoint first:29500" in done.stdout
        assert ("--resume" in done.stdout) == resumed
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model" / "last.ckpt").write_bytes(b"")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_have_no_mistake_that_shellcheck_knows(script: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("needs shellcheck, as of the extra [test]")
    done = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_dockerfile_has_no_mistake_that_hadolint_knows() -> None:
    if shutil.which("hadolint") is None:
        pytest.skip("needs hadolint, as of the extra [test]")
    done = subprocess.run(["hadolint", str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_dockerfile_copies_all_that_is_installed() -> None:
    kept = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {path.parent.name for path in REPOSITORY.glob("*/__init__.py")} < kept
    assert all((REPOSITORY / name).exists() for name in kept)
    assert {"pyproject.toml", "README.md", "LICENSE", "__init__.py", "__main__.py", "py.typed"} < kept


def test_kubernetes_takes_the_job_and_each_of_its_pods_is_a_shard() -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate, as of the extra [test]")
    job = yaml.safe_load((DEPLOY / "kubernetes_detect.yaml").read_text())
    validate.validate(job, "1.31", strict=True)
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["args"][-2:] == ["--shard", f"$(INDEX)/{job['spec']['completions']}"]
    assert "INDEX" in [each["name"] for each in container["env"]]
