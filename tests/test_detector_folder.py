import numpy as np
import pytest
from test_detector_rcnn import BOXES, DELTAS, PROPOSALS, detector

from inception_rcnn.data.images import encode_image, read_image
from inception_rcnn.data.ledger import read_ledger
from inception_rcnn.data.records import Proposals
from inception_rcnn.data.sources import Source, list_sources
from inception_rcnn.data.stage_files import has_stages, read_stages
from inception_rcnn.detector.folder import StageSeconds, detect_folder, detect_stream
from inception_rcnn.eval.suppression import detections_of


@pytest.fixture
def photos(tmp_path):
    """Three pictures, one of them in a sub-folder, and a broken file between them."""
    folder = tmp_path / "photos"
    for name in ("a.png", "sub/b.png", "z.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode_image(np.full((100, 200, 3), 90, dtype=np.uint8), ".png"))
    (folder / "broken.jpg").write_bytes(b"")
    return folder


def run(photos, out, model=None, **options):
    model = model or detector()
    sources = list_sources([str(photos)], skip=out)
    kept = {source.file: PROPOSALS for source in sources}
    return detect_folder(model, sources, out, kept=kept, **options)


def test_no_sources_leave_an_empty_ledger(tmp_path):
    rows, summary = detect_folder(detector(), [], tmp_path)
    assert rows == []
    assert summary.pictures == 0
    assert read_ledger(tmp_path / "detections.jsonl") == []


def test_every_picture_is_a_row_and_the_broken_one_says_why(photos, tmp_path):
    rows, summary = run(photos, tmp_path / "out")
    assert [row.file for row in rows] == ["a.png", "broken.jpg", "sub/b.png", "z.png"]
    assert "empty" in rows[1].error
    assert (summary.pictures, summary.failed, summary.skipped, summary.detections) == (4, 1, 0, 6)
    stored = read_ledger(tmp_path / "out" / "detections.jsonl")
    assert [row.file for row in stored] == [row.file for row in rows]
    np.testing.assert_allclose(stored[0].detections.boxes, BOXES[[2, 0]])


def test_the_drawn_pictures_mirror_the_folder_and_show_the_boxes(photos, tmp_path):
    run(photos, tmp_path / "out")
    drawn = tmp_path / "out" / "drawn"
    assert sorted(path.relative_to(drawn).as_posix() for path in drawn.rglob("*.*")) == ["a.png", "sub/b.png", "z.png"]
    assert (read_image(drawn / "sub" / "b.png") != 90).any()
    run(photos, tmp_path / "plain", draw=False)
    assert not (tmp_path / "plain" / "drawn").exists()


def test_a_second_run_does_only_what_is_left(photos, tmp_path):
    run(photos, tmp_path / "out")
    (photos / "broken.jpg").write_bytes(encode_image(np.zeros((100, 200, 3), dtype=np.uint8), ".jpg"))
    (photos / "c.png").write_bytes(encode_image(np.zeros((100, 200, 3), dtype=np.uint8), ".png"))
    model = detector()
    rows, summary = run(photos, tmp_path / "out", model)
    assert len(model.network.asked) == 2
    assert (summary.skipped, summary.failed) == (3, 0)
    assert [row.file for row in rows] == ["a.png", "broken.jpg", "c.png", "sub/b.png", "z.png"]
    assert [row.file for row in read_ledger(tmp_path / "out" / "detections.jsonl")] == [row.file for row in rows]


def test_what_a_killed_run_had_done_is_kept(photos, tmp_path):
    class Killed(BaseException):
        pass

    class Mortal(type(detector().network)):
        def forward(self, mode, image, boxes):
            if len(self.asked) == 2:
                raise Killed
            return super().forward(mode, image, boxes)

    model = detector()
    model.network.__class__ = Mortal
    with pytest.raises(Killed):
        run(photos, tmp_path / "out", model)
    assert [row.file for row in read_ledger(tmp_path / "out" / "detections.jsonl")][::2] == ["a.png", "sub/b.png"]
    rows, summary = run(photos, tmp_path / "out")
    assert summary.skipped == 2
    assert len(rows) == 4


def test_stored_proposals_are_used_and_a_missing_one_is_an_error_row(photos):
    sources = [Source(photos / "a.png", "a.png"), Source(photos / "z.png", "z.png")]
    model, seconds = detector(), StageSeconds()
    rows = list(detect_stream(model, sources, {"a.png": Proposals(BOXES[2:], [1.0])}, seconds))
    assert [len(row.picture.detections) for row in rows] == [1, 0]
    assert "none for this picture" in rows[1].picture.error
    assert seconds.seconds["network"] > 0
    assert DELTAS.shape == (3, 2, 4)


def test_stages_are_kept_of_every_picture_that_could_be_read(photos, tmp_path):
    rows, _ = run(photos, tmp_path / "out", keep_stages=True)
    stages = read_stages(tmp_path / "out")
    assert sorted(stages) == ["a.png", "sub/b.png", "z.png"]
    for row in rows:
        if row.error is None:
            again = detections_of(stages[row.file])
            np.testing.assert_array_equal(again.boxes, row.detections.boxes)
            assert again.labels.tolist() == row.detections.labels.tolist()


def test_no_stages_are_kept_unasked(photos, tmp_path):
    run(photos, tmp_path / "out")
    assert not (tmp_path / "out" / "stages").exists()


def test_a_run_that_goes_on_with_stages_does_again_what_lacks_them(photos, tmp_path):
    out, model = tmp_path / "out", detector()
    run(photos, out)
    _, summary = run(photos, out, model, keep_stages=True)
    assert (len(model.network.asked), summary.skipped) == (3, 0)
    next((out / "stages").iterdir()).unlink()
    rows, summary = run(photos, out, model, keep_stages=True)
    assert (len(model.network.asked), summary.skipped) == (4, 2)
    assert [row.file for row in rows] == ["a.png", "broken.jpg", "sub/b.png", "z.png"]
    assert len(read_stages(out)) == 3


def test_stages_are_on_disk_before_the_row(photos, tmp_path, monkeypatch):
    """A run that is killed while it keeps the second picture's stages has the first picture whole, and no more rows."""
    from inception_rcnn.detector import folder

    class Killed(BaseException):
        pass

    def write_or_die(out, file, stages):
        if file == "sub/b.png":
            raise Killed
        write(out, file, stages)

    write = folder.write_stages
    monkeypatch.setattr(folder, "write_stages", write_or_die)
    with pytest.raises(Killed):
        run(photos, tmp_path / "out", keep_stages=True)
    rows = [row for row in read_ledger(tmp_path / "out" / "detections.jsonl") if row.error is None]
    assert [row.file for row in rows] == ["a.png"]
    assert has_stages(tmp_path / "out", "a.png")
    monkeypatch.setattr(folder, "write_stages", write)
    _, summary = run(photos, tmp_path / "out", keep_stages=True)
    assert summary.skipped == 1
    assert len(read_stages(tmp_path / "out")) == 3
