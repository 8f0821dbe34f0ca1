import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.records import Detections, GroundTruth, Picture, Proposals
from inception_rcnn.eval.evaluation import Evaluation
from inception_rcnn.eval.recall import RecallEvaluation, evaluate_recall
from inception_rcnn.eval.report import curve_points, format_table, render_html, report_content, write_report
from inception_rcnn.eval.table import tabulate
from inception_rcnn.eval.voc import evaluate_voc

HOSTILE = '<script>alert("1")</script>'
A = [0, 0, 10, 10]


def _evaluate(classes: list[str], *, left_out: bool = False) -> list[Evaluation]:
    """One cat found of two, one hostile name that nobody has seen."""
    labels = np.array(["cat", "cat"])
    truth = GroundTruth("a.jpg", 200, 100, as_boxes([A, [100, 0, 110, 10]]), labels, np.array([False, False]))
    found = Picture("a.jpg", 200, 100, Detections(as_boxes([A]), labels[:1], np.array([0.9])))
    pictures = [found, Picture("b.jpg", error="x"), found]
    table = tabulate(pictures[: 2 if left_out else 1], [truth], classes)
    return [evaluate_voc(table, metric) for metric in ("voc07", "voc10")]


def test_json_numbers_by_eye() -> None:
    content = report_content(_evaluate(["cat", HOSTILE]), {"seed": 1, "bad": float("inf"), "at": [Path("x"), None]})
    voc10 = content["metrics"]["voc10"]
    assert voc10["protocol"] == "mAP (VOC10+, area, IoU 0.5)"
    assert voc10["map"] == 0.5
    assert voc10["per_class"]["cat"] == {
        **{"ap": 0.5, "positives": 2, "detections": 1},
        **{"true_positive": 1, "false_positive": 0, "duplicate": 0, "ignored": 0},
    }
    assert voc10["per_class"][HOSTILE]["ap"] is None  # never NaN
    assert voc10["without_objects"] == [HOSTILE]
    assert content["metrics"]["voc07"]["map"] == pytest.approx(6 / 11)
    assert content["run"] == {"seed": 1, "bad": None, "at": ["x", None]}


def test_files(tmp_path: Path) -> None:
    write_report(_evaluate(["cat", HOSTILE, "\udcff猫"]), tmp_path / "out", {"predictions": "/x/\udcff.json"})
    text = (tmp_path / "out" / "report.json").read_text()
    assert "NaN" not in text
    assert set(json.loads(text)) == {"metrics", "run"}
    assert (tmp_path / "out" / "report.html").read_text("utf-8").startswith("<!doctype html>")


def _recall(name: str, *boxes: list[int], label: str = HOSTILE) -> RecallEvaluation:
    """One object of 10 by 10."""
    truth = GroundTruth("a.jpg", 200, 100, as_boxes([A]), np.array([label]), np.array([False]))
    return evaluate_recall(name, {"a.jpg": Proposals(as_boxes(boxes), np.zeros(len(boxes)))}, [truth])


class _Page(HTMLParser):
    """Collects tags and checks that they close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("classes", [[], ["cat"], ["cat", HOSTILE, "\x1b]0;x"]])
def test_page_is_whole_and_needs_nothing(classes: list[str]) -> None:
    html = render_html(_evaluate(classes), {"name": HOSTILE})
    page = _Page(html)
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert not page.attributes & {"src", "href", "onload"}
    assert "url(" not in html
    assert "://" not in html
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html
    assert HOSTILE not in html
    assert "\x1b" not in html


def test_page_says_the_protocol_beside_the_number() -> None:
    html = render_html(_evaluate(["cat"]))
    assert re.search(r"<strong>0\.5455</strong>mAP \(VOC07, 11-point, IoU 0\.5\)", html)
    assert re.search(r"<strong>0\.5000</strong>mAP \(VOC10\+, area, IoU 0\.5\)", html)


def test_page_without_evaluations() -> None:
    _Page(render_html([]))
    assert format_table([]).strip().startswith("class")


def test_table() -> None:
    lines = format_table(_evaluate(["cat", "猫猫猫\x1b"], left_out=True)).splitlines()
    assert lines[0].split() == ["class", "AP", "voc07", "AP", "voc10", "objects", "detections"]
    assert lines[1].split() == ["cat", "0.5455", "0.5000", "2", "1"]
    assert lines[2].split() == ["猫猫猫\\x1b", "n/a", "n/a", "0", "0"]
    assert lines[4:] == [
        "mAP (VOC07, 11-point, IoU 0.5): 0.5455 (mean of 1 classes)",
        "mAP (VOC10+, area, IoU 0.5): 0.5000 (mean of 1 classes)",
        "n/a: no objects to find, left out of the mean: 猫猫猫\\x1b.",
        "Left out: 0 detections on 1 pictures outside the split.",
    ]


def test_curve() -> None:
    cat = _evaluate(["cat"])[0].classes[0]
    assert curve_points(cat) == ["50.0,0.0"]  # recall .5 at precision 1, which is at the top
    assert curve_points(_evaluate(["dog"])[0].classes[0]) == []


def test_json_of_proposals_by_eye(tmp_path: Path) -> None:
    write_report([], tmp_path, {}, [_recall("x.csv", [0, 0, 10, 6], A), _recall("none.csv")])
    text = (tmp_path / "report.json").read_text()
    content = json.loads(text)
    assert "NaN" not in text
    assert content["metrics"] == {}
    assert list(content["proposals"]) == ["x.csv", "none.csv"]
    found = content["proposals"]["x.csv"]
    assert (found["name"], found["pictures"], found["boxes"], found["mabo"]) == ("x.csv", 1, 2, 1)
    perfect = {"objects": 1, "recall_50": 1, "recall_70": 1, "average_recall": 1, "mean_best_overlap": 1}
    assert found["all"] == found["classes"][HOSTILE] == found["sizes"]["small"] == found["budgets"]["3"] == perfect
    assert (found["budgets"]["1"]["recall_70"], found["budgets"]["1"]["mean_best_overlap"]) == (0, 0.6)
    assert found["sizes"]["large"] == {"objects": 0, **dict.fromkeys(list(perfect)[1:])}  # None, not NaN
    assert found["by_iou"][0] == [0.5, 1]


def test_without_proposals_there_is_no_section_for_them(tmp_path: Path) -> None:
    write_report(_evaluate(["cat"]), tmp_path)
    assert "proposals" not in json.loads((tmp_path / "report.json").read_text())
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "<h2>Proposals" not in html
    assert "Recall at IoU" not in html


@pytest.mark.parametrize("classes", [None, ["cat", HOSTILE]])
def test_page_of_proposals_is_whole_and_needs_nothing(classes: list[str] | None) -> None:
    recalls = [_recall(name, A, label="<i>&") for name in (HOSTILE, "\x1b]0;x", "\udcff.csv")]
    html = render_html(_evaluate(classes) if classes else [], {}, recalls)
    page = _Page(html)
    assert not page.tags & {"script", "link", "img", "iframe", "i"}
    assert not page.attributes & {"src", "href", "onload"}
    for text in ("url(", "://", HOSTILE, "<i>&", "\x1b"):
        assert text not in html
    assert html.count("&lt;script&gt;alert") >= 2  # in both tables
    assert "&lt;i&gt;&amp;" in html
    assert html.count("<h2>Proposals</h2>") == 1
    assert html.count("<polyline") >= 3 * 4
    assert ("<h2>Classes</h2>" in html) == bool(classes)
    html.encode()


def test_page_says_the_recall() -> None:
    html = render_html([], {}, [_recall("x.csv", [0, 0, 10, 6])])
    row = re.search(r"</span>x\.csv</td>(.*?)</tr>", html, re.DOTALL)
    assert row
    cells = re.findall(r"<td>(.*?)</td>", row[1])
    assert cells == ["1", "1.0000", "0.0000", "0.3000", "0.6000", "0.6000", "0.3000", "n/a", "n/a"]
    _Page(render_html([], {}, [evaluate_recall("x.csv", {}, [])]))  # a data set without pictures
