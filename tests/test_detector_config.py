import json

import pytest

from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.detector.config import DetectorConfig, checked_options, read_config

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
        ({"regions": "many"}, "regions is 'many', need a int"),
        ({"score": None, "format_version": 9}, "format_version 9"),
        ({"classes": []}, "class names"),
        ({"classes": [1, 2]}, "class names"),
        ({"modes": ["fast"]}, "modes among shared, crops"),
        ({"mode": "fast"}, "modes among shared, crops"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        read_config(write(tmp_path / "config.json", **changes))


@pytest.mark.parametrize("content", ["", "[1]", "nonsense", "\x00"])
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
