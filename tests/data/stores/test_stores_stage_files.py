import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.records import Stages
from inception_rcnn.data.stores.stage_files import (
    FORMAT,
    STAGES_NAME,
    has_stages,
    read_stages,
    remove_stages,
    write_stages,
)

RULES = {
    "classes": ["cat", "dog"],
    "score_threshold": 0.3,
    "nms_threshold": 0.25,
    "max_detections": 7,
    "vote_threshold": 0.5,
    "agnostic": True,
}


def _stages(regions: int = 3, num_proposals: int = 5, seed: int = 0, **changes: object) -> Stages:
    """Any numbers that a network, which works in float32, could give."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 50, (regions, 2, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + rng.uniform(0, 50, (regions, 2, 2)).astype(np.float32)], axis=2)
    content = {
        "proposals": np.array([[0.0, 0, 10, 10 + i] for i in range(num_proposals)]).reshape(-1, 4),
        "probabilities": rng.dirichlet(np.ones(3), regions).astype(np.float32),
        "boxes": boxes.astype(np.float32),
        **{name: tuple(value) if name == "classes" else value for name, value in RULES.items()},
    }
    return Stages(**{**content, **changes})


def _assert_equal(a: Stages, b: Stages) -> None:
    for name in ("proposals", "probabilities", "boxes"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert getattr(a, name).dtype == np.float64
    assert [getattr(a, name) for name in RULES] == [getattr(b, name) for name in RULES]


@pytest.mark.parametrize(
    "file", ["a.jpg", "sub/b.jpg", "../up.jpg", "/abs.jpg", "\udcff.jpg", "x" * 300, "猫.png", "a\nb", "", '"']
)
def test_what_is_written_comes_back_exactly_whatever_the_image_is_called(tmp_path: Path, file: str) -> None:
    write_stages(tmp_path, file, _stages())
    assert has_stages(tmp_path, file)
    assert not has_stages(tmp_path, f"{file}x")
    found = read_stages(tmp_path)
    assert list(found) == [file]
    _assert_equal(found[file], _stages())
    assert [path.parent for path in tmp_path.rglob("*.safetensors")] == [tmp_path / STAGES_NAME]


def test_scores_that_float32_does_not_tell_apart_come_back_as_they_were(tmp_path: Path) -> None:
    sure = np.array([[2e-9, 1 - 2e-9, 0.5], [1e-9, 1 - 1e-9, 0.5], [0.0, 1.0, 0.5]])
    write_stages(tmp_path, "a.jpg", _stages(probabilities=sure))
    _assert_equal(read_stages(tmp_path)["a.jpg"], _stages(probabilities=sure))


@pytest.mark.parametrize(("regions", "proposals"), [(0, 0), (0, 4), (1, 1)])
def test_nothing_is_a_value(tmp_path: Path, regions: int, proposals: int) -> None:
    write_stages(tmp_path, "a.jpg", _stages(regions, proposals))
    _assert_equal(read_stages(tmp_path)["a.jpg"], _stages(regions, proposals))


def test_files_of_the_first_release_which_knew_no_agnostic_suppression_are_read(tmp_path: Path) -> None:
    write_stages(tmp_path, "a.jpg", _stages())
    path = next((tmp_path / STAGES_NAME).iterdir())
    rules = {name: value for name, value in RULES.items() if name != "agnostic"}
    path.write_bytes(save(_arrays(), {**GOOD, "rules": json.dumps(rules)}))
    _assert_equal(read_stages(tmp_path)["a.jpg"], _stages(agnostic=False))


def test_many_images_and_the_newest_of_one(tmp_path: Path) -> None:
    for i in range(5):
        write_stages(tmp_path, f"{i}.jpg", _stages(seed=i))
    write_stages(tmp_path, "2.jpg", _stages(seed=9))
    found = read_stages(tmp_path)
    assert (len(found), sorted(found)) == (5, [f"{i}.jpg" for i in range(5)])
    _assert_equal(found["2.jpg"], _stages(seed=9))
    _assert_equal(found["4.jpg"], _stages(seed=4))
    with pytest.raises(KeyError):
        found["5.jpg"]


def test_removing_takes_nothing_else(tmp_path: Path) -> None:
    write_stages(tmp_path, "a.jpg", _stages())
    (tmp_path / STAGES_NAME / "notes.txt").write_text("mine")
    remove_stages(tmp_path)
    remove_stages(tmp_path)
    assert [path.name for path in (tmp_path / STAGES_NAME).iterdir()] == ["notes.txt"]
    remove_stages(tmp_path / "nowhere")


def test_a_folder_may_have_no_stages(tmp_path: Path) -> None:
    assert not read_stages(tmp_path)
    (tmp_path / STAGES_NAME).mkdir()
    assert not read_stages(tmp_path)


def _arrays(**changes: object) -> dict[str, np.ndarray]:
    stages = _stages()
    arrays = {name: getattr(stages, name).astype(np.float32) for name in ("proposals", "probabilities", "boxes")}
    return {name: value for name, value in {**arrays, **changes}.items() if isinstance(value, np.ndarray)}


GOOD = {"format": FORMAT, "file": '"a.jpg"', "rules": json.dumps(RULES)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as an image's stages"),
        (b"\xff" * 100, "cannot be read as an image's stages"),
        (save(_arrays()), "is no file of stages"),
        (save(_arrays(), {**GOOD, "format": "inception-rcnn proposals 1"}), "is no file of stages"),
        (save(_arrays(), {"format": FORMAT, "rules": GOOD["rules"]}), "cannot be read"),
        (save(_arrays(), {**GOOD, "file": "a.jpg"}), "cannot be read"),
        (save(_arrays(), {**GOOD, "rules": "[]"}), "cannot be read"),
        (save(_arrays(), {**GOOD, "rules": json.dumps({**RULES, "max_detections": "many"})}), "cannot be read"),
        (save(_arrays(), {**GOOD, "rules": json.dumps({**RULES, "classes": ["cat"]})}), "probabilities must .* 2"),
        (save(_arrays(boxes=None), GOOD), "cannot be read"),
        (save(_arrays(boxes=np.zeros((3, 2, 3), np.float32)), GOOD), r"boxes must have shape \(3, 2, 4\)"),
        (save(_arrays(), GOOD)[:-5], "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / STAGES_NAME / "0.safetensors"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_stages(tmp_path)["a.jpg"]
    assert str(caught.value).count(str(path)) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"proposals": [[0, 0, 1, 1]]}, "3 regions cannot be the first of 1 proposals"),
        ({"proposals": [[5, 0, 1, 1]] * 3}, r"Stages: proposals: boxes\[0\]"),
        ({"probabilities": np.zeros((3, 2))}, r"probabilities must .* shape \(R, 3\), got \(3, 2\)"),
        ({"probabilities": np.full((3, 3), np.nan)}, "probabilities must be finite"),
        ({"probabilities": np.zeros(3)}, "probabilities"),
        ({"boxes": np.zeros((2, 2, 4))}, r"boxes must have shape \(3, 2, 4\), got \(2, 2, 4\)"),
        ({"boxes": np.full((3, 2, 4), np.inf)}, r"boxes\[0\]"),
        ({"classes": ("cat",)}, "probabilities"),
    ],
)
def test_stages_that_do_not_fit_together_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        _stages(**changes)
