import contextlib
import json
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.detector.config import DetectorConfig, checked_options, read_config, read_hashes

CONFIG = DetectorConfig(("cat", "dog"), modes=("shared", "crops"), score=0.25, regions=7)


def write(path, **changes):
    content = {**json.loads(CONFIG.to_json()), **changes}
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))
    return path


def test_a_configuration_comes_back(tmp_path):
    (tmp_path / "config.json").write_text(CONFIG.to_json())
    assert read_config(tmp_path / "config.json") == CONFIG


def test_what_is_left_out_takes_its_default(tmp_path):
    assert read_config(write(tmp_path / "c.json", regions=None)).regions == DetectorConfig(("x",)).regions


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regoins": 5}, "did you mean 'regions'"),
        ({"regions": "many"}, "regions is 'many': need a whole number"),
        ({"score": None, "format_version": 9}, "format_version 9"),
        ({"classes": []}, "class names"),
        ({"classes": [1, 2]}, "class names"),
        ({"modes": ["fast"]}, "modes among shared, crops"),
        ({"mode": "fast"}, "modes among shared, crops"),
        ({"mode": "crops", "modes": ["shared"]}, "mode is 'crops', need modes among shared"),
        ({"mode": "both", "modes": ["shared"]}, "mode is 'both', need modes among shared"),
        ({"mode": "both", "modes": ["shared", "crops"], "scores": "sigmoid"}, "both modes, need softmax scores"),
        ({"modes": ["both"]}, "modes among shared, crops"),
        ({"modes": "shared"}, "modes is 'shared'"),
        ({"modes": ["shared", "shared"]}, "'shared' twice"),
        ({"classes": ["cat", "cat"]}, "classes has 'cat' twice"),
        ({"classes": ["cat", " "]}, "classes has ' '"),
        ({"classes": ["cat", "\ud800"]}, "classes has"),
        ({"classes": "cat"}, "classes is 'cat'"),
        ({"classes": {"cat": 1}}, "classes is"),
        ({"classes": [f"c{i}" for i in range(10_001)]}, "10001 classes: need at most 10000"),
        ({"regions": -5}, "regions is -5: need at least 1"),
        ({"regions": True}, "regions is True: need a whole number"),
        ({"regions": 3.0}, "regions is 3.0: need a whole number"),
        ({"regions": 10**400}, "regions is 1000.*…: need at least 1 and at most"),
        ({"score": float("nan")}, "score is nan: need a number"),
        ({"score": -0.1}, "score is -0.1: need at least 0 and at most 1"),
        ({"score": False}, "score is False"),
        ({"nms_threshold": float("inf")}, "nms_threshold is inf"),
        ({"max_detections": 2**70}, "max_detections is 1180"),
        ({"members": 10**9}, "members is 1000000000: need at least 1 and at most 1000"),
        ({"members": 0}, "members is 0"),
        ({"box_deltas": 1}, "box_deltas is 1: need true or false"),
        ({"proposals": ["mix"]}, "proposals is"),
        ({"architecture": "vgg"}, "the architecture is 'vgg', of an earlier release; train it anew"),
        ({"x" * 10**6: 1}, "unknown setting 'xxx"),
        ({"sha256": {"model.safetensors": "abc"}, "regoins": 1}, "did you mean 'regions'"),
        ({"score": None, "format_version": True}, "format_version True"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path, changes, message):
    with pytest.raises(DataError, match=message) as caught:
        read_config(write(tmp_path / "config.json", **changes))
    assert len(str(caught.value)) < 600


def test_the_mode_is_the_first_where_none_is_named(tmp_path):
    path = write(tmp_path / "config.json", modes=["crops"], mode=None)
    assert read_config(path).mode == "crops"
    assert DetectorConfig(("cat",), modes=("crops",)).mode == "crops"


def test_a_python_user_meets_the_same_limits():
    for change in ({"score": 30}, {"regions": -5}, {"max_detections": 0}, {"mode": "fast"}, {"members": 10**9}):
        with pytest.raises(UsageError, match=next(iter(change))):
            replace(CONFIG, **change)
    assert replace(CONFIG, regions=np.int64(9), score=np.float32(0.5)).to_json()  # numbers of NumPy's are numbers


def test_a_byte_order_mark_does_no_harm(tmp_path):
    (tmp_path / "config.json").write_bytes(CONFIG.to_json().encode("utf-8-sig"))
    assert read_config(tmp_path / "config.json") == CONFIG


def test_hashes_of_a_folders_files_are_read_and_checked(tmp_path):
    path = write(tmp_path / "config.json", sha256={"model.safetensors": "0f" * 32})
    assert read_config(path) == CONFIG
    assert read_hashes(path) == {"model.safetensors": "0f" * 32}
    for hashes in ([], {"model.safetensors": "0f"}, {"model.safetensors": 7}):
        with pytest.raises(DataError, match="sha256 is"):
            read_hashes(write(path, sha256=hashes))


@pytest.mark.parametrize("content", ["", "[1]", "nonsense", "\x00", "[" * 10**5, '{"a":' * 10**5, "9" * 10**4])
def test_a_broken_file_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(DataError, match=r"config\.json"):
        read_config(tmp_path / "config.json")


def test_a_folder_without_one_is_no_model(tmp_path):
    with pytest.raises(DataError, match="is not a model"):
        read_config(tmp_path / "config.json")


@pytest.mark.parametrize("options", [{"mode": "crop"}, {"regions": 0}, {"score": 1.5}])
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        checked_options(options, CONFIG)
    assert checked_options({"mode": "crops", "regions": 3}, CONFIG) == {"mode": "crops", "regions": 3}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=6,
)
NAMES = [*json.loads(CONFIG.to_json()), "sha256", "regoins"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=3))
def test_whatever_a_configuration_holds_it_is_read_or_one_sentence(tmp_path, changes):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(CONFIG.to_json()), **changes}))
    try:
        config = read_config(path)
        read_hashes(path)
    except DataError as error:
        assert str(path) in str(error) or str(path.parent) in str(error)  # noqa: PT017 (either outcome is right)
        assert len(str(error)) < 1000  # noqa: PT017
    else:
        path.write_text(config.to_json())
        assert read_config(path) == config


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_configuration_is_read_or_one_sentence(tmp_path, seed):
    whole, rng, path = CONFIG.to_json().encode(), random.Random(seed), tmp_path / "config.json"
    for _ in range(200):
        content = bytearray(whole)
        for _ in range(rng.choice((1, 2, 5))):
            start = rng.randrange(len(content))
            content[start : start + rng.randrange(4)] = rng.choice(
                (b"", b"null", b"[", b'"', b"9" * 30, b"\xff", b"\0")
            )
        path.write_bytes(content)
        with contextlib.suppress(DataError):
            read_config(path)


def test_settings_of_a_model_that_is_there_can_be_changed_by_their_names_only():
    with pytest.raises(UsageError, match="unknown setting 'scores_'; did you mean 'score'"):
        checked_options({"scores_": 0.5}, CONFIG)
    with pytest.raises(UsageError, match=r"unknown setting 'zzz'; known: mode, proposals, .*output_classes"):
        checked_options({"zzz": 1}, CONFIG)
    for name in ("classes", "modes", "scores", "members"):
        with pytest.raises(UsageError, match=f"{name} belongs to a model's weights"):
            checked_options({name: getattr(CONFIG, name)}, CONFIG)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "fast"}, "mode is 'fast'"),
        ({"score": 30}, "score is 30"),
        ({"score": float("nan")}, "score is nan"),
        ({"score": None}, "score is None"),
        ({"regions": -5}, "regions is -5"),
        ({"regions": 2.5}, "regions is 2.5: need a whole number"),
        ({"regions": True}, "regions is True"),
        ({"agnostic_nms": "yes"}, "agnostic_nms is 'yes'"),
        ({"output_classes": "cat"}, "output_classes is 'cat': need a list of class names"),
        ({"output_classes": ("cta",)}, "unknown class 'cta'; did you mean 'cat'"),
        ({"output_classes": ("zebra",)}, "unknown class 'zebra'; this model knows cat, dog"),
        ({"output_classes": ("cat", "cat")}, "output_classes has 'cat' twice"),
        ({"output_classes": 7}, "output_classes is 7"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(options, message):
    with pytest.raises(UsageError, match=message):
        checked_options(options, CONFIG)


def test_detected_classes_are_in_the_order_of_the_outputs():
    assert CONFIG.detected_classes == ("cat", "dog")
    assert replace(CONFIG, output_classes=["dog"]).detected_classes == ("dog",)
    assert replace(CONFIG, output_classes=("dog", "cat")).detected_classes == ("cat", "dog")
    assert replace(CONFIG, output_classes=[]).detected_classes == ("cat", "dog")


def test_a_configuration_with_output_classes_comes_back(tmp_path):
    wanted = replace(CONFIG, output_classes=("dog",), agnostic_nms=True)
    (tmp_path / "config.json").write_text(wanted.to_json())
    assert read_config(tmp_path / "config.json") == wanted
