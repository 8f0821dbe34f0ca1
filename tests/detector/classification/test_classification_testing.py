import numpy as np
import pytest
import torch
from test_classification_labelled_images import write_image
from test_classification_webdataset_shards import sample, write_shard

from inception_rcnn.backbone.classification.model_folder import SavedClassifier, save_classifier
from inception_rcnn.backbone.googlenet import GoogLeNet
from inception_rcnn.backbone.weights import save_weights
from inception_rcnn.data.classification.labelled_images import LabelledImages
from inception_rcnn.data.classification.test_crops import crops_of
from inception_rcnn.data.errors import DataError, UsageError
from inception_rcnn.data.formats.ilsvrc.imagenet import IMAGENET_CLASSES, IMAGENET_WNIDS
from inception_rcnn.detector.classification import testing as classifying
from inception_rcnn.detector.classification.testing import (
    classify,
    for_outputs,
    open_labelled,
    output_classes,
    predict,
)


class Colours(torch.nn.Module):
    """A classifier in miniature: the brighter the red of a crop, the likelier class 0; `sharpness` sets how sure."""

    def __init__(self, sharpness):
        super().__init__()
        self.sharpness = torch.nn.Parameter(torch.tensor(sharpness))
        self.seen = 0

    @property
    def backbone(self):
        return self

    def preprocess(self, images):
        return images.float() / 255

    def forward(self, images):
        self.seen += len(images)
        return self.sharpness * images.mean(dim=(2, 3)).float()


def images(rng, count=5):
    images = [rng.integers(0, 256, (30 + place, 50, 3), dtype=np.uint8) for place in range(count)]
    files = tuple(map(str, range(count)))
    return LabelledImages("test", ("r", "g", "b"), files, np.zeros(count, dtype=np.int64), images.__getitem__)


@pytest.mark.parametrize(("count", "chunk"), [(1, 48), (1, 2), (10, 48), (10, 7), (144, 48)])
def test_an_image_gets_the_mean_over_its_own_crops_and_all_networks(count, chunk, rng, monkeypatch):
    monkeypatch.setattr(classifying, "CHUNK", chunk)
    data, models = images(rng, 2 if count == 144 else 5), [Colours(2.0), Colours(9.0)]
    found = predict(models, data, count)
    for place in range(len(data)):
        rows = []
        for crop in crops_of(data.read(place), count):
            colour = crop.reshape(-1, 3).mean(axis=0) / 255
            for sharpness in (2.0, 9.0):
                powers = np.exp(sharpness * colour)
                rows.append(powers / powers.sum())
        np.testing.assert_allclose(found[place], np.mean(rows, axis=0), atol=0.005)
    assert [model.seen for model in models] == [count * len(data)] * 2


def test_no_images_give_no_rows(rng):
    assert predict([Colours(1.0)], images(rng, 0), 10).shape == (0, 3)


def test_shards_and_folders_are_told_apart(tmp_path):
    write_image(tmp_path / "folders" / "cat" / "1.png", 0)
    assert open_labelled(tmp_path / "folders").classes == ("cat",)
    write_shard(tmp_path / "1.tar", sample("a", 1, "7"))
    for source in (tmp_path, tmp_path / "1.tar", f"{tmp_path}/*.tar"):
        assert open_labelled(source).classes == ("7",)
    for missing in (tmp_path / "2.tar", f"{tmp_path}/x-*.tar"):
        with pytest.raises(DataError, match="tar"):
            open_labelled(missing)


def saved(classes, outputs=3, source="net"):
    return SavedClassifier(source, GoogLeNet(outputs), classes)


def test_weights_without_names_take_the_datas_and_an_ensemble_must_agree(rng):
    data = images(rng)
    assert output_classes([saved(())], data.classes) == ("r", "g", "b")
    assert output_classes([saved(()), saved(("b", "g", "r"))], data.classes) == ("b", "g", "r")
    with pytest.raises(UsageError, match="has other classes"):
        output_classes([saved(("b", "g", "r")), saved(("r", "g", "b"), source="other")], data.classes)
    with pytest.raises(UsageError, match="1000 outputs, and there are 3 classes"):
        output_classes([saved((), 1000)], data.classes)


def test_networks_on_disk_are_tested_with_the_order_of_their_own_classes(tmp_path):
    torch.manual_seed(0)
    model = GoogLeNet(3)
    torch.nn.init.zeros_(model.classifier.weight)
    model.classifier.bias.data = torch.tensor([0.0, 5.0, 1.0])
    save_classifier(tmp_path / "net", model, ("hen", "cow", "ant"), {})
    save_weights(tmp_path / "bare.safetensors", model.state_dict(), {})
    for place, name in enumerate(("cow", "cow", "ant", "hen")):
        write_image(tmp_path / "data" / name / f"{place}.png", 100)
    result = classify([tmp_path / "net"], tmp_path / "data", 1, "cpu")
    assert result.classes == ("hen", "cow", "ant")
    assert result.top(1) == 0.5
    assert result.top(2) == 0.75
    both = classify([tmp_path / "net", tmp_path / "bare.safetensors"], tmp_path / "data", 1, "cpu", limit=2)
    assert len(both) == 2
    bare = classify([tmp_path / "bare.safetensors"], tmp_path / "data", 1, "cpu")
    assert bare.classes == ("ant", "cow", "hen")


def test_crops_that_the_paper_does_not_have_are_refused(tmp_path):
    with pytest.raises(UsageError, match="--crops 5: known are 1, 10, 144"):
        classify([tmp_path], tmp_path, 5)
    with pytest.raises(UsageError, match="--model"):
        classify([], tmp_path, 1)


def test_imagenets_classes_are_known_by_name_and_by_synset(rng):
    some = LabelledImages("test", ("n02123045", "n01440764"), ("a", "b"), np.array([0, 1]), lambda index: None)
    network = GoogLeNet(1000)
    named = SavedClassifier("named", network, IMAGENET_CLASSES)
    assert [for_outputs([named], some).classes[index] for index in for_outputs([named], some).targets] == [
        "tabby",
        "tench",
    ]
    unnamed = for_outputs([SavedClassifier("unnamed", network, ())], some)
    assert [unnamed.classes[index] for index in unnamed.targets] == ["n02123045", "n01440764"]
    assert unnamed.classes == IMAGENET_WNIDS


def test_of_a_data_set_of_boxes_images_of_one_class_are_labelled(tmp_path):
    (tmp_path / "boxes.csv").write_text(
        "file,label,x1,y1,x2,y2\na.png,cat,0,0,2,2\na.png,cat,1,1,3,3\nb.png,dog,0,0,2,2\nc.png,cat,0,0,2,2\n"
        "c.png,dog,0,0,2,2\n"
    )
    for number, name in enumerate("abc"):
        write_image(tmp_path / f"{name}.png", number)
    lines = []
    images = open_labelled(f"csv:{tmp_path / 'boxes.csv'}:{tmp_path}", lines.append)
    assert [images.classes[index] for index in images.targets] == ["cat", "dog"]
    assert images.files == ("a.png", "b.png")
    assert images.read(1)[0, 0].tolist() == [1, 1, 1]
    assert len(lines) == 1
    assert lines[0].startswith("1 of 3 images of ")
    (tmp_path / "boxes.csv").write_text("file,label,x1,y1,x2,y2\nc.png,cat,0,0,2,2\nc.png,dog,0,0,2,2\n")
    with pytest.raises(DataError, match="no image has objects of one class alone"):
        open_labelled(f"csv:{tmp_path / 'boxes.csv'}:{tmp_path}")
