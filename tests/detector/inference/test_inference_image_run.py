import csv
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from test_detector_rcnn import BOXES, PROPOSALS, detector

from inception_rcnn.backbone.training.interruption import Interruption
from inception_rcnn.data.errors import SetupError
from inception_rcnn.data.files.atomic import DiskFullError
from inception_rcnn.data.images.decoding import encode_image, read_image
from inception_rcnn.data.images.sources import Source, list_sources
from inception_rcnn.data.records import Proposals
from inception_rcnn.data.stores.detections_jsonl import read_ledger, write_ledger
from inception_rcnn.data.stores.stage_files import has_stages, read_stages
from inception_rcnn.data.suppression import detections_of
from inception_rcnn.detector.inference.image_run import StageSeconds, Writing, detect_folder
from inception_rcnn.detector.streaming import detect_stream
from inception_rcnn.eval.report.drawn_files import Drawings


@pytest.fixture
def photos(tmp_path):
    """Three images, one of them in a sub-folder, and a broken file between them."""
    folder = tmp_path / "photos"
    for name in ("a.png", "sub/b.png", "z.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode_image(np.full((100, 200, 3), 90, dtype=np.uint8), ".png"))
    (folder / "broken.jpg").write_bytes(b"")
    return folder


def run(photos, out, model=None, *, draw=True, save_crops=False, keep_stages=False, **options):
    model = model or detector()
    writing = Writing(draw, save_crops, keep_stages)
    sources = list_sources([str(photos)], skip=out)
    kept = {source.file: PROPOSALS for source in sources}
    return detect_folder(model, sources, out, writing=writing, stored=kept, **options)


def test_no_sources_leave_an_empty_ledger(tmp_path):
    rows, summary = detect_folder(detector(), [], tmp_path)
    assert rows == []
    assert summary.images == 0
    assert read_ledger(tmp_path / "detections.jsonl") == []


def test_every_image_is_a_row_and_the_broken_one_says_why(photos, tmp_path):
    rows, summary = run(photos, tmp_path / "out")
    assert [row.file for row in rows] == ["a.png", "broken.jpg", "sub/b.png", "z.png"]
    assert "empty" in rows[1].error
    assert (summary.images, summary.failed, summary.skipped, summary.detections) == (4, 1, 0, 6)
    stored = read_ledger(tmp_path / "out" / "detections.jsonl")
    assert [row.file for row in stored] == [row.file for row in rows]
    np.testing.assert_allclose(stored[0].detections.boxes, BOXES[[2, 0]])


def test_the_drawn_images_mirror_the_folder_and_show_the_boxes(photos, tmp_path):
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
    assert len(model.network.calls) == 2
    assert (summary.skipped, summary.failed) == (3, 0)
    assert [row.file for row in rows] == ["a.png", "broken.jpg", "c.png", "sub/b.png", "z.png"]
    assert [row.file for row in read_ledger(tmp_path / "out" / "detections.jsonl")] == [row.file for row in rows]


def test_what_a_killed_run_had_done_is_kept(photos, tmp_path):
    class Killed(BaseException):
        pass

    class Mortal(type(detector().network)):
        def forward(self, mode, regions):
            if len(self.calls) == 2:
                raise Killed
            return super().forward(mode, regions)

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
    assert [len(row.result.detections) for row in rows] == [1, 0]
    assert "none for this image" in rows[1].result.error
    assert seconds.seconds["network"] > 0
    assert [boxes for _, _, boxes in model.network.calls] == [BOXES[2:].tolist()]
    np.testing.assert_allclose(rows[0].result.detections.boxes, BOXES[2:])


def test_stages_are_kept_of_every_image_that_could_be_read(photos, tmp_path):
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
    assert (len(model.network.calls), summary.skipped) == (3, 0)
    next((out / "stages").iterdir()).unlink()
    rows, summary = run(photos, out, model, keep_stages=True)
    assert (len(model.network.calls), summary.skipped) == (4, 2)
    assert [row.file for row in rows] == ["a.png", "broken.jpg", "sub/b.png", "z.png"]
    assert len(read_stages(out)) == 3


def test_stages_are_on_disk_before_the_row(photos, tmp_path, monkeypatch):
    """A run that is killed while it keeps the second image's stages has the first image whole, and no more rows."""
    from inception_rcnn.detector.inference import image_run as folder

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


def save(path, grey, width=200):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_image(np.full((100, width, 3), grey, dtype=np.uint8), ".png"))


def test_a_file_that_was_replaced_is_detected_in_again_and_one_that_is_gone_is_left_out(photos, tmp_path):
    out, model, lines = tmp_path / "out", detector(), []
    run(photos, out, keep_stages=True)
    save(photos / "a.png", 10, width=180)
    (photos / "z.png").unlink()
    rows, summary = run(photos, out, model, keep_stages=True, report=lines.append)
    assert [shape for _, shape, _ in model.network.calls] == [(100, 180, 3)]
    assert [(row.file, row.width) for row in rows] == [("a.png", 180), ("broken.jpg", 0), ("sub/b.png", 200)]
    assert [row.file for row in read_ledger(out / "detections.jsonl")] == ["a.png", "broken.jpg", "sub/b.png"]
    assert summary.skipped == 1
    assert "1 image of an earlier run is gone and left out" in lines
    assert any("changed since" in line for line in lines)
    assert sorted(path.name for path in (out / "drawn").rglob("*.*")) == ["a.png", "b.png"]
    assert read_image(out / "drawn" / "a.png").shape == (100, 180, 3)
    assert sorted(read_stages(out)) == ["a.png", "sub/b.png"]


def test_a_file_that_became_unreadable_keeps_nothing_of_what_it_was(photos, tmp_path):
    run(photos, tmp_path / "out")
    (photos / "a.png").write_bytes(b"<html>")
    rows, _ = run(photos, tmp_path / "out")
    assert rows[0].error is not None
    assert not (tmp_path / "out" / "drawn" / "a.png").exists()


def test_images_that_are_not_among_the_sources_stay_as_long_as_they_are_there(photos, tmp_path):
    out, lines = tmp_path / "out", []
    run(photos, out)
    roots = [f"{photos}/"]
    rows, summary = detect_folder(
        detector(), list_sources([str(photos / "z.png")]), out, stored={}, roots=roots, report=lines.append
    )
    assert [row.file for row in rows] == ["a.png", "broken.jpg", "sub/b.png", "z.png"]
    assert (summary.images, summary.skipped) == (1, 1)
    assert any("3 images of an earlier run are not among the sources" in line for line in lines)
    (photos / "a.png").unlink()
    rows, _ = detect_folder(detector(), list_sources([str(photos / "z.png")]), out, stored={}, roots=roots)
    assert [row.file for row in rows] == ["broken.jpg", "sub/b.png", "z.png"]


def test_nothing_is_taken_for_gone_where_its_folder_cannot_be_seen(photos, tmp_path):
    out = tmp_path / "out"
    run(photos, out)
    (photos / "z.png").unlink()
    roots = [f"{photos}/", f"{tmp_path}/a drive that is away/"]
    rows, _ = detect_folder(detector(), list_sources([str(photos / "a.png")]), out, stored={}, roots=roots)
    assert [row.file for row in rows] == ["broken.jpg", "sub/b.png", "z.png", "a.png"]


def test_rows_of_unknown_files_and_of_other_ways_to_read_are_detected_in_again(photos, tmp_path):
    out = tmp_path / "out"
    run(photos, out)
    path = out / "detections.jsonl"
    write_ledger([replace(row, origin=None) for row in read_ledger(path)], path)
    assert run(photos, out)[1].skipped == 0
    assert run(photos, out)[1].skipped == 3
    stored = [replace(source, as_stored=True) for source in list_sources([str(photos)])]
    kept = {source.file: PROPOSALS for source in stored}
    assert detect_folder(detector(), stored, out, stored=kept)[1].skipped == 0
    assert detect_folder(detector(), stored, out, stored=kept)[1].skipped == 3
    sized = [replace(source, size=(200, 100)) for source in stored]
    assert detect_folder(detector(), sized, out, stored=kept)[1].skipped == 0


def test_what_an_earlier_run_did_not_draw_is_drawn_from_its_rows(photos, tmp_path):
    out, model, lines = tmp_path / "out", detector(), []
    run(photos, out, draw=False)
    run(photos, out, model, report=lines.append)
    assert model.network.calls == []
    assert "3 images of an earlier run are drawn or cut out now" in lines
    run(photos, tmp_path / "other")
    for name in ("a.png", "sub/b.png", "z.png"):
        assert (out / "drawn" / name).read_bytes() == (tmp_path / "other" / "drawn" / name).read_bytes()
    (out / "drawn" / "a.png").unlink()
    before = (out / "drawn" / "z.png").stat().st_mtime_ns
    run(photos, out, model)
    assert (out / "drawn" / "a.png").exists()
    assert (out / "drawn" / "z.png").stat().st_mtime_ns == before
    assert model.network.calls == []


def test_one_drawing_that_cannot_be_written_keeps_its_row_and_is_told(photos, tmp_path):
    out, lines = tmp_path / "out", []
    (out / "drawn").mkdir(parents=True)
    (out / "drawn" / "sub").touch()  # in the way of a folder
    rows, summary = run(photos, out, report=lines.append)
    assert [row.error is None for row in rows] == [True, False, True, True]
    assert summary.failed == 1
    assert "1 image could not be drawn" in str(summary)
    assert any(line.startswith("not drawn: ") and "sub" in line for line in lines)
    assert (out / "drawn" / "z.png").exists()
    (out / "drawn" / "sub").unlink()
    assert "could not be drawn" not in str(run(photos, out)[1])
    assert (out / "drawn" / "sub" / "b.png").exists()


def test_a_full_disk_ends_the_run(photos, tmp_path, monkeypatch):
    def full(self, file, image):
        raise DiskFullError(f"{file}: the disk is full")

    monkeypatch.setattr(Drawings, "write", full)
    with pytest.raises(SetupError, match="the disk is full"):
        run(photos, tmp_path / "out")


def test_a_run_that_is_asked_to_stop_finishes_the_image_and_goes_on_the_next_time(photos, tmp_path):
    out, noticed, model = tmp_path / "out", Interruption(), detector()
    noticed_after = type(model.network).forward

    def forward(self, mode, regions):
        noticed.signal = 15
        return noticed_after(self, mode, regions)

    model.network.__class__ = type("Stopped", (type(model.network),), {"forward": forward})
    rows, summary = run(photos, out, model, noticed=noticed)
    assert [row.file for row in rows] == ["a.png"]
    assert (summary.left, summary.images) == (3, 4)
    assert [row.file for row in read_ledger(out / "detections.jsonl")] == ["a.png"]
    assert (out / "drawn" / "a.png").exists()
    assert run(photos, out)[1].skipped == 1


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory"), ValueError("numba")])
@pytest.mark.parametrize("where", ["read", "network"])
def test_whatever_goes_wrong_with_one_image_is_its_failure(photos, tmp_path, monkeypatch, error, where):
    def fail(*arguments):
        raise error

    model = detector()
    if where == "read":
        monkeypatch.setattr(Source, "read", fail)
    else:
        monkeypatch.setattr(type(model), "forward", lambda *arguments, **options: fail())
    rows, summary = run(photos, tmp_path / "out", model)
    assert summary.failed == 4
    assert all(row.error.startswith(row.file) or row.file == "broken.jpg" for row in rows)


def test_a_batch_that_is_too_large_for_the_memory_is_halved(photos, tmp_path, monkeypatch):
    model, sizes = detector(), []
    model.images_at_once, forward = 8, type(model).forward
    (photos / "broken.jpg").write_bytes((photos / "a.png").read_bytes())
    for name in "cdef":
        (photos / f"{name}.png").write_bytes((photos / "a.png").read_bytes())

    def limited(self, images, propose):
        sizes.append(len(images))
        if len(images) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, images, propose)

    monkeypatch.setattr(type(model), "forward", limited)
    rows, summary = run(photos, tmp_path / "out", model)
    assert summary.failed == 0
    assert sizes == [8, 4, 2, 2, 4, 2, 2]
    whole = [row.detections.to_dict() for row in run(photos, tmp_path / "other")[0]]
    assert [row.detections.to_dict() for row in rows] == whole


def test_an_image_that_takes_too_long_is_a_failure(photos, tmp_path, monkeypatch):
    release, read = threading.Event(), Source.read

    def slow(source):
        if source.file == "sub/b.png":
            release.wait(20)
        return read(source)

    monkeypatch.setattr(Source, "read", slow)
    rows, summary = run(photos, tmp_path / "out", time_limit=0.5)
    release.set()
    assert "took longer than 0.5 s" in rows[2].error
    assert (summary.failed, rows[3].error) == (2, None)


def test_animations_are_counted(photos, tmp_path):
    frames = [Image.new("RGB", (200, 100), colour) for colour in ("red", "blue")]
    frames[0].save(photos / "c.gif", save_all=True, append_images=frames[1:])
    _, summary = run(photos, tmp_path / "out")
    assert "1 image with more than one frame or page" in str(summary)
    assert (tmp_path / "out" / "drawn" / "c.gif.jpg").exists()


def test_detections_are_cut_out_into_a_folder_for_each_class(photos, tmp_path):
    rows, _ = run(photos, tmp_path / "out", save_crops=True)
    crops = tmp_path / "out" / "crops"
    written = {path.relative_to(crops).as_posix(): path for path in crops.rglob("*.png")}
    labels = [
        (row.file.removesuffix(".png"), number, label)
        for row in rows
        for number, label in enumerate(row.detections.labels, 1)
    ]
    assert written.keys() == {f"{label}/{stem}-{number}.png" for stem, number, label in labels}
    x1, y1, x2, y2 = rows[0].detections.boxes[0]
    first = read_image(written[f"{rows[0].detections.labels[0]}/a-1.png"])
    assert first.shape[:2] == (np.ceil(y2) - np.floor(y1), np.ceil(x2) - np.floor(x1))


def test_crops_that_lack_are_made_from_the_rows_and_go_with_them(photos, tmp_path):
    out, model = tmp_path / "out", detector()
    run(photos, out)
    run(photos, out, model, save_crops=True)
    assert model.network.calls == []
    assert len(list((out / "crops").rglob("*.png"))) == 6
    (photos / "z.png").unlink()
    run(photos, out, save_crops=True)
    assert len(list((out / "crops").rglob("*.png"))) == 4


def test_failures_have_a_table_as_long_as_there_are_any(photos, tmp_path):
    out = tmp_path / "out"
    run(photos, out)
    with (out / "failures.csv").open(newline="") as stream:
        ((name, error),) = list(csv.reader(stream))[1:]
    assert (name, "is empty" in error) == ("broken.jpg", True)
    (photos / "broken.jpg").unlink()
    run(photos, out)
    assert not (out / "failures.csv").exists()


def test_the_summary_has_the_memory_that_the_run_took(photos, tmp_path):
    _, summary = run(photos, tmp_path / "out")
    assert 10**7 < summary.peak_memory < 10**11
    assert f"peak memory {summary.peak_memory / 1e9:.1f} GB" in str(summary)
