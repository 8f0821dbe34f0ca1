from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.datasets.dataset import Dataset, of_classes, rename_classes, select_classes
from inception_rcnn.data.datasets.labelling import BACKGROUND, IGNORED, label_candidates
from inception_rcnn.data.datasets.renames import read_renames
from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.formats.ilsvrc.annotations import ILSVRC_CLASSES
from inception_rcnn.data.formats.specs import open_datasets, read_names
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.data.records import GroundTruth


def test_pairs_are_read_from_the_option_or_from_a_file(tmp_path):
    expected = {"dining table": "diningtable", "tv": "tvmonitor"}
    assert read_renames("dining table=diningtable, tv = tvmonitor,") == expected
    path = tmp_path / "names.txt"
    path.write_text("dining table=diningtable\r\n\r\ntv=tvmonitor\r\n")
    assert read_renames(str(path)) == expected
    assert read_renames(None) == read_renames("") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tv", "'tv' is no pair"),
        ("tv=,tv=a", "two new names for 'tv'"),
        ("=tv", "'=tv' is no pair"),
        ("tv=a,tv=b", "two new names for 'tv'"),
    ],
)
def test_what_is_no_pair_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        read_renames(text)


def test_the_names_of_ilsvrc_are_classes_of_it_and_need_not_all_be_there(tmp_path):
    renames = read_names("ilsvrc")
    assert {new for new in renames.values() if new} <= {*ILSVRC_CLASSES}
    assert renames.items() >= {"cow": "cattle", "n02123045": "domestic cat", "bottle": ""}.items()
    (tmp_path / "boxes.csv").write_text("file,label,x1,y1,x2,y2\na.jpg,cow,0,0,9,9\nb.jpg,bottle,0,0,9,9\n")
    for name in "ab":
        (tmp_path / f"{name}.jpg").write_bytes(encode_image(np.zeros((20, 30, 3), np.uint8), ".jpg"))
    data = open_datasets([f"csv:{tmp_path}/boxes.csv:{tmp_path}"], renames=renames)
    assert data.classes == ("cattle",)
    with pytest.raises(UsageError, match="--rename dog: no data set has that class"):
        open_datasets([f"csv:{tmp_path}/boxes.csv:{tmp_path}"], renames=read_names("dog=cat"))


def test_objects_of_a_class_without_a_name_are_neither_objects_nor_background():
    boxes = np.array([[0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 40.0, 40.0]])
    truth = GroundTruth("a.jpg", 50, 50, boxes, np.array(["dog", "bottle"]), np.zeros(2, np.bool_))
    data = Dataset("d", ("dog", "bottle"), (truth,), Path())
    renamed = select_classes(rename_classes(data, {"bottle": ""}), ["dog"])
    assert renamed.classes == ("dog",)
    candidates = label_candidates(renamed.images[0], np.array([[20.0, 20.0, 40.0, 41.0], [0, 30, 9, 40]]), ("dog",))
    assert candidates.classes.tolist() == [1, IGNORED, BACKGROUND]
    plain = label_candidates(select_classes(data, ["dog"]).images[0], candidates.boxes[1:2], ("dog",))
    assert plain.classes.tolist() == [1, BACKGROUND]


def test_a_data_set_of_more_classes_than_its_own_does_not_annotate_the_others():
    truth = GroundTruth("a.jpg", 50, 50, np.array([[0.0, 0, 9, 9]]), np.array(["dog"]), np.zeros(1, np.bool_))
    data = of_classes(Dataset("d", ("dog", "bed"), (truth,), Path()), ("ant", "dog"))
    assert (data.classes, data.images[0].ignored_classes) == (("ant", "dog"), ("ant",))
    assert label_candidates(data.images[0], np.array([[20.0, 20, 40, 40]]), data.classes).unannotated.tolist() == [1]
