import json

from inception_rcnn.backbone.training_log import TrainingLog


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_are_means_since_the_last_line(tmp_path):
    lines = []
    log = TrainingLog(tmp_path / "log.jsonl", 30, 0, lines.append)
    for step in range(30):
        log.add(step, {"loss": float(step)}, 0.5)
    assert rows(tmp_path / "log.jsonl") == [
        {"step": 25, "rate": 0.5, "loss": 12.0},  # of 0...24
        {"step": 30, "rate": 0.5, "loss": 27.0},  # of 25...29
    ]
    assert lines[0].startswith("step 25/30  loss 12.000")
    assert lines[1].endswith("0:00:00 left")


def test_what_a_resumed_run_will_do_again_is_forgotten(tmp_path):
    first = TrainingLog(tmp_path / "log.jsonl", 100, 0, lambda line: None)
    for step in range(75):
        first.add(step, {"loss": 1.0}, 0.5)
    first.validated(75, 0.625, best=True)
    TrainingLog(tmp_path / "log.jsonl", 100, 50, lambda line: None)
    assert [row["step"] for row in rows(tmp_path / "log.jsonl")] == [25, 50]
