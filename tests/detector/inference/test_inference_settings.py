import json

import pytest

from inception_rcnn.data.errors import DataError
from inception_rcnn.detector.inference.settings import differences, image_roots, read_settings


@pytest.mark.parametrize(
    ("earlier", "now", "said"),
    [
        ({}, {}, ""),
        ({"a": {"b": [1], "c": None}}, {"a": {"b": [1], "c": None}}, ""),
        (
            {"config": {"score": 0.3, "mode": "crops"}},
            {"config": {"score": 0.5, "mode": "crops"}},
            "config.score 0.3 -> 0.5",
        ),
        ({"a": 1}, {"a": 1, "opencv": "5.0"}, "opencv none -> 5.0"),
        ({"a": 1, "old": True}, {"a": 1}, "old True -> none"),
        ({"a": {"b": 1}}, {"a": 7}, "a {'b': 1} -> 7"),
        ({"a": ["x", "y", "z"]}, {"a": ["x", "y"]}, "a z -> x, y"),
        ({"a": [1, 2, 3, 4]}, {"a": []}, "a 1, 2 and 2 more -> none"),
        ({"w": "0123abcd" * 8}, {"w": "ff" * 32}, "w 0123abcd… -> ffffffff…"),
        ({str(i): i for i in range(9)}, {}, "0 0 -> none; 1 1 -> none; 2 2 -> none; 3 3 -> none; and 5 more"),
    ],
)
def test_only_what_differs_is_told(earlier, now, said):
    assert differences(earlier, now) == said


def test_a_difference_is_short_whatever_the_settings_hold():
    earlier = {"images_from": [f"/{'x' * 5000}/{i}/" for i in range(1000)], "k" * 10**5: "v" * 10**5}
    assert len(differences(earlier, {"images_from": ["/photos/"], "other": [[7] * 10**5]})) < 3000


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "7",
        "[]",
        "null",
        "{}",
        '{"settings": 3}',
        '{"settings": []}',
        "[" * 10**5,
        '{"settings": {"a": ' + "9" * 5000 + "}}",
    ],
)
def test_what_tells_of_no_settings_is_one_sentence(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(DataError, match=r"run\.json") as caught:
        read_settings(tmp_path / "run.json")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"none\.json"):
        read_settings(tmp_path / "none.json")


@pytest.mark.parametrize("folders", [None, 7, "x", {"a": 1}, [7, ["/a/"]]])
def test_folders_that_are_none_are_none(tmp_path, folders):
    (tmp_path / "run.json").write_text(json.dumps({"settings": {"images_from": folders}}))
    assert image_roots(read_settings(tmp_path / "run.json")) == []


def test_the_folders_of_a_run_of_release_0_1_0_are_known(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"settings": {"pictures_from": ["/a/"]}}))
    assert image_roots(read_settings(tmp_path / "run.json")) == ["/a/"]
