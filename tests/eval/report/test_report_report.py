"""The report's files; how its page behaves in a browser is tested in `test_report_page.py`."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from inception_rcnn.data.boxes import as_boxes
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.records import Detections, GroundTruth, ImageDetections, Proposals
from inception_rcnn.eval.analysis.breakdown import break_down
from inception_rcnn.eval.analysis.intervals import Interval, Intervals
from inception_rcnn.eval.analysis.tide import find_errors
from inception_rcnn.eval.analysis.waterfall import Step, Waterfall
from inception_rcnn.eval.metrics.coco import evaluate_coco
from inception_rcnn.eval.metrics.evaluation import Evaluation
from inception_rcnn.eval.metrics.protocols import evaluate_ilsvrc, evaluate_voc
from inception_rcnn.eval.metrics.recall import RecallEvaluation, evaluate_recall
from inception_rcnn.eval.metrics.table import tabulate
from inception_rcnn.eval.report.report import (
    EvaluationReport,
    format_csv,
    format_table,
    render_html,
    report_content,
    write_report,
)

HOSTILE = '<script>alert("1")</script>'
SNEAKY = "</script><!--\u2028\x00\ud800"
A = [0, 0, 10, 10]
NAN = float("nan")


def _evaluate(classes: list[str], *, left_out: bool = False) -> list[Evaluation]:
    """One cat found of two, one hostile name that nobody has seen."""
    labels = np.array(["cat", "cat"])
    truth = GroundTruth("a.jpg", 200, 100, as_boxes([A, [100, 0, 110, 10]]), labels, np.array([False, False]))
    found = ImageDetections("a.jpg", 200, 100, Detections(as_boxes([A]), labels[:1], np.array([0.9])))
    images = [found, ImageDetections("b.jpg", error="x"), found]
    table = tabulate(images[: 2 if left_out else 1], [truth], classes)
    return [evaluate_voc(table, metric) for metric in ("voc07", "voc10")]


def _intervals(*classes: str) -> Intervals:
    spans = {name: Interval(0.25, 0.75) for name in classes}
    return Intervals(Interval(0.125, 0.875), {**spans, HOSTILE: Interval(NAN, NAN)}, 1000)


def _waterfall() -> Waterfall:
    steps = (Step("proposals", "no box is on it", 1, 0.75), Step("<b>nms", "its box is <i>gone", 0, NAN))
    return Waterfall("mAP (VOC07)", 0.5, 2, 1, steps, np.array([-1, 0]), {1: "no box"})


def _full() -> EvaluationReport:
    """Every part of a report; classes, files, reasons and facts have hostile names."""
    evaluations = _evaluate(["cat", HOSTILE, SNEAKY])
    table = replace(evaluations[0].table, truths=(replace(evaluations[0].table.truths[0], file=SNEAKY),))
    evaluations = [replace(one, table=table) for one in [*evaluations, evaluate_ilsvrc(table), evaluate_coco(table)]]
    return EvaluationReport(
        evaluations=evaluations,
        intervals={"voc07": _intervals("cat")},
        errors=find_errors(table),
        breakdowns=break_down(evaluations[0]),
        waterfall=_waterfall(),
        recalls=[_recall("x.csv", A)],
        facts={HOSTILE: SNEAKY, "seed": 1},
        failures=[(HOSTILE, SNEAKY)],
        read=Dataset("own", (), (), Path("nowhere")).read,
    )


def test_json_numbers_by_eye() -> None:
    facts = {"seed": 1, "bad": float("inf"), "at": [Path("x"), None]}
    content = report_content(EvaluationReport(_evaluate(["cat", HOSTILE]), {"voc10": _intervals("cat")}, facts=facts))
    voc10 = content["metrics"]["voc10"]
    assert voc10["protocol"] == "mAP (VOC10+, area, IoU 0.5)"
    assert (voc10["map"], voc10["interval"], voc10["numbers"]) == (0.5, [0.125, 0.875], {})
    assert voc10["per_class"]["cat"] == {
        **{"ap": 0.5, "interval": [0.25, 0.75], "numbers": {}, "positives": 2, "detections": 1},
        **{"true_positive": 1, "false_positive": 0, "duplicate": 0, "ignored": 0},
        **{"best_f1": pytest.approx(2 / 3), "best_f1_score": 0.9},
    }
    assert voc10["per_class"][HOSTILE]["ap"] is None  # never NaN
    assert voc10["per_class"][HOSTILE]["interval"] == [None, None]
    assert voc10["without_objects"] == [HOSTILE]
    voc07 = content["metrics"]["voc07"]
    assert (voc07["map"], voc07["interval"]) == (pytest.approx(6 / 11), None)
    assert voc07["per_class"]["cat"]["interval"] is None
    assert content["run"] == {"seed": 1, "bad": None, "at": ["x", None]}
    assert set(content) == {"metrics", "run"}


def test_json_of_all_parts() -> None:
    content = report_content(_full())
    json.dumps(content, allow_nan=False)
    assert list(content["metrics"]) == ["voc07", "voc10", "ilsvrc", "coco"]
    assert content["metrics"]["ilsvrc"]["numbers"] == {"median": 0.5}
    assert content["metrics"]["coco"]["numbers"]["AP50"] == pytest.approx(51 / 101)
    assert content["metrics"]["coco"]["per_class"]["cat"]["numbers"]["AP75"] == pytest.approx(51 / 101)
    assert set(content["errors"]) == {"ap", "rows"}
    missed = next(row for row in content["errors"]["rows"] if row["name"] == "Miss")
    assert (missed["count"], type(missed["meaning"])) == (1, str)
    truncated = next(one for one in content["breakdowns"] if one["name"] == "truncated")
    assert [(group["name"], group["objects"], group["found"]) for group in truncated["groups"]] == [
        ("no", 2, 1),
        ("yes", 0, 0),
    ]
    assert truncated["groups"][1]["ap"] is None
    waterfall = content["waterfall"]
    assert (waterfall["objects"], waterfall["found"], waterfall["map"]) == (2, 1, 0.5)
    assert waterfall["steps"][1] == {
        **{"name": "<b>nms", "meaning": "its box is <i>gone", "count": 0, "map_if_perfect": None}
    }
    assert content["failures"] == [{"file": HOSTILE, "reason": SNEAKY}]


def test_files(tmp_path: Path) -> None:
    report = EvaluationReport(_evaluate(["cat", HOSTILE, "\udcff猫"]), facts={"predictions": "/x/\udcff.json"})
    write_report(report, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"report.json", "report.csv", "report.html"}
    text = (tmp_path / "out" / "report.json").read_text()
    assert "NaN" not in text
    assert set(json.loads(text)) == {"metrics", "run"}
    assert (tmp_path / "out" / "report.html").read_text("utf-8").startswith("<!doctype html>")
    with (tmp_path / "out" / "report.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["class"], row["ap_voc07"], row["ap_voc10"]) for row in rows] == [
        ("cat", "0.545455", "0.5"),
        (HOSTILE, "", ""),
        ("\\udcff猫", "", ""),
    ]


def _recall(name: str, *boxes: list[int], label: str = HOSTILE) -> RecallEvaluation:
    """One object of 10 by 10."""
    truth = GroundTruth("a.jpg", 200, 100, as_boxes([A]), np.array([label]), np.array([False]))
    return evaluate_recall(name, {"a.jpg": Proposals(as_boxes(boxes), np.zeros(len(boxes)))}, [truth])


class _Page(HTMLParser):
    """Collects tags and checks that they close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: dict[str, set[str]] = {}
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in ("meta", "input", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _check_page(html: str) -> _Page:
    """The page is whole, needs nothing from anywhere, and no name has become a part of it."""
    page = _Page(html)
    assert not {*page.tags} & {"link", "iframe", "object", "base", "form"}
    assert not [name for name in page.attributes if name.startswith("on") or name in ("src", "srcset", "action")]
    ids = page.attributes.get("id", set())
    assert all(link.startswith("#") and link[1:] in ids for link in page.attributes.get("href", set()))
    assert len(ids) == len(re.findall(r'\sid="', html))  # each is there once
    assert "url(" not in html
    assert re.findall(r"https?://[\w./]*", html) in ([], ["http://www.w3.org/2000/svg"])  # a name, not an address
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html
    assert HOSTILE not in html
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u2028\u2029]", html)
    html.encode()
    return page


@pytest.mark.parametrize("classes", [[], ["cat"], ["cat", HOSTILE, "\x1b]0;x"]])
def test_page_is_whole_and_needs_nothing(classes: list[str]) -> None:
    page = _check_page(render_html(EvaluationReport(_evaluate(classes), facts={"name": HOSTILE})))
    assert page.tags.count("script") == 1
    assert "img" not in page.tags


def test_full_page_is_whole_and_needs_nothing() -> None:
    html = render_html(_full())
    page = _check_page(html)
    assert page.tags.count("script") == 2  # the page's own, and the images
    assert "&lt;b&gt;nms" in html
    assert "its box is &lt;i&gt;gone" in html
    parts = ("classes", "curves", "breakdowns", "errors", "waterfall", "proposals", "images", "failures", "run")
    assert {*parts} <= page.attributes["id"]
    assert {f"#{part}" for part in parts} == page.attributes["href"]


def test_images_are_in_the_page_as_json_that_nothing_can_leave() -> None:
    html = render_html(_full())
    (text,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', html, re.DOTALL)
    assert "<" not in text
    content = json.loads(text)
    assert content["classes"] == ["cat", HOSTILE, r"</script><!--\u2028\x00\ud800"]
    assert content["images"][0]["file"] == r"</script><!--\u2028\x00\ud800"
    assert content["images"][0]["found"] == [[0, 0.9, 0, *A]]


@pytest.mark.parametrize(
    "part", ["intervals", "errors", "breakdowns", "waterfall", "recalls", "facts", "failures", "read"]
)
def test_a_part_that_is_not_given_is_not_there(part: str) -> None:
    full = _full()
    html = render_html(replace(full, **{part: getattr(EvaluationReport(), part)}))
    headings = {
        **{"errors": "Errors", "breakdowns": "Kinds of objects", "waterfall": "Where objects are lost"},
        **{"recalls": "Proposals", "facts": "Run", "failures": "Failures", "read": "Images"},
    }
    for name, heading in headings.items():
        assert (f"<h2>{heading}</h2>" in html) == (name != part)
    assert ("95 % interval" in html) == (part != "intervals")
    _check_page(html)


def test_page_says_the_protocol_and_the_interval_beside_the_number() -> None:
    html = render_html(EvaluationReport(_evaluate(["cat"]), {"voc10": _intervals("cat")}))
    assert re.search(r"<strong>0\.5455</strong>mAP \(VOC07, 11-point, IoU 0\.5\)", html)
    card = re.search(r"<strong>0\.5000</strong>mAP \(VOC10\+, area, IoU 0\.5\)(.*?)mean of", html, re.DOTALL)
    assert card
    assert "95 % interval 0.125 to 0.875" in card[1]
    assert html.count("0.250 to 0.750") == 1  # the class's


def test_page_has_the_protocols_further_numbers() -> None:
    html = render_html(_full())
    numbers = dict(re.findall(r"<dt>(\w+)</dt><dd>([^<]*)</dd>", html))
    assert len(numbers) == 13 + 1  # COCO's twelve, ILSVRC's median, and the seed
    assert (numbers["median"], numbers["AP50"], numbers["APm"]) == ("0.500", "0.505", "n/a")


def test_page_without_evaluations() -> None:
    page = _check_page(render_html(EvaluationReport()))
    assert "script" not in page.tags
    assert format_table(EvaluationReport()).strip().startswith("class")


def test_page_of_many_failures_says_that_it_does_not_have_all() -> None:
    failures = [(f"{i}.jpg", "broken") for i in range(500)]
    html = render_html(EvaluationReport(failures=failures))
    assert html.count("broken") == 200
    assert "500 images could not be read" in html
    assert "first 200" in html
    assert len(report_content(EvaluationReport(failures=failures))["failures"]) == 500


def test_page_of_200_classes_is_not_large(rng: np.random.Generator) -> None:
    classes = [f"class {i}" for i in range(200)]
    num = 40_000
    corners = rng.random((num, 2)) * 90
    boxes, labels = np.concatenate([corners, corners + 10], axis=1), rng.choice(classes, num)
    truth = GroundTruth("a.jpg", 100, 100, boxes, labels, np.zeros(num, bool))
    found = ImageDetections("a.jpg", 100, 100, Detections(boxes, labels, rng.random(num)))
    html = render_html(EvaluationReport([evaluate_ilsvrc(tabulate([found], [truth], classes))]))
    assert len(html) < 2e6


def test_table() -> None:
    left_out, warned = ["7 detections on 1 images outside the data set", "2 x odd box"], ["the names differ"]
    report = EvaluationReport(_evaluate(["cat", "猫猫猫\x1b"], left_out=True), left_out=left_out, warnings=warned)
    lines = format_table(report).splitlines()
    assert lines[0].split() == ["class", "AP", "voc07", "AP", "voc10", "objects", "detections"]
    assert lines[1].split() == ["cat", "0.5455", "0.5000", "2", "1"]
    assert lines[2].split() == ["猫猫猫\\x1b", "n/a", "n/a", "0", "0"]
    assert lines[4:] == [
        "mAP (VOC07, 11-point, IoU 0.5): 0.5455 (mean of 1 classes)",
        "mAP (VOC10+, area, IoU 0.5): 0.5000 (mean of 1 classes)",
        "Warning: the names differ.",
        "n/a: no objects to find, left out of the mean: 猫猫猫\\x1b.",
        "Left out or odd: 7 detections on 1 images outside the data set; 2 x odd box.",
    ]


def test_table_with_intervals_and_further_numbers() -> None:
    (voc07, _), intervals = _evaluate(["cat"]), {"voc07": _intervals("cat")}
    lines = format_table(EvaluationReport([voc07, evaluate_ilsvrc(voc07.table)], intervals)).splitlines()
    assert lines[3:] == [
        "mAP (VOC07, 11-point, IoU 0.5): 0.5455, 95 % interval 0.125 to 0.875 (mean of 1 classes)",
        "mAP (ILSVRC DET, area, IoU 0.5 or less by size): 0.5000 (mean of 1 classes)",
        "  median 0.5000",
    ]


def test_json_of_proposals_by_eye(tmp_path: Path) -> None:
    write_report(EvaluationReport(recalls=[_recall("x.csv", [0, 0, 10, 6], A), _recall("none.csv")]), tmp_path)
    text = (tmp_path / "report.json").read_text()
    content = json.loads(text)
    assert "NaN" not in text
    assert content["metrics"] == {}
    assert list(content["proposals"]) == ["x.csv", "none.csv"]
    found = content["proposals"]["x.csv"]
    assert (found["name"], found["images"], found["boxes"], found["mabo"]) == ("x.csv", 1, 2, 1)
    perfect = {"objects": 1, "recall_50": 1, "recall_70": 1, "average_recall": 1, "mean_best_overlap": 1}
    assert found["all"] == found["classes"][HOSTILE] == found["sizes"]["small"] == found["budgets"]["3"] == perfect
    assert (found["budgets"]["1"]["recall_70"], found["budgets"]["1"]["mean_best_overlap"]) == (0, 0.6)
    assert found["sizes"]["large"] == {"objects": 0, **dict.fromkeys(list(perfect)[1:])}  # None, not NaN
    assert found["by_iou"][0] == [0.5, 1]


def test_without_proposals_there_is_no_section_for_them(tmp_path: Path) -> None:
    write_report(EvaluationReport(_evaluate(["cat"])), tmp_path)
    assert "proposals" not in json.loads((tmp_path / "report.json").read_text())
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "<h2>Proposals" not in html
    assert "Recall at IoU" not in html


@pytest.mark.parametrize("classes", [None, ["cat", HOSTILE]])
def test_page_of_proposals_is_whole_and_needs_nothing(classes: list[str] | None) -> None:
    recalls = [_recall(name, A, label="<i>&") for name in (HOSTILE, "\x1b]0;x", "\udcff.csv")]
    html = render_html(EvaluationReport(_evaluate(classes) if classes else [], recalls=recalls))
    _check_page(html)
    assert "<i>&" not in html
    assert html.count("&lt;script&gt;alert") >= 2  # in both tables
    assert "&lt;i&gt;&amp;" in html
    assert html.count("<h2>Proposals</h2>") == 1
    assert html.count("<polyline") >= 3 * 4
    assert ("<h2>Classes</h2>" in html) == bool(classes)


def test_page_says_the_recall() -> None:
    html = render_html(EvaluationReport(recalls=[_recall("x.csv", [0, 0, 10, 6])]))
    row = re.search(r"</span>x\.csv</td>(.*?)</tr>", html, re.DOTALL)
    assert row
    cells = re.findall(r"<td>(.*?)</td>", row[1])
    assert cells == ["1", "1.0000", "0.0000", "0.3000", "0.6000", "0.6000", "0.3000", "n/a", "n/a"]
    _check_page(render_html(EvaluationReport(recalls=[evaluate_recall("x.csv", {}, [])])))  # a data set without images


def _read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_everything_and_leaves_out_what_does_not_exist() -> None:
    truth = GroundTruth(
        "a.jpg", 100, 100, as_boxes([A, [20, 0, 30, 10]]), np.array(["cat", "cat"]), np.array([False, False])
    )
    image = ImageDetections("a.jpg", 100, 100, Detections(as_boxes([A]), np.array(["cat"]), np.array([0.5])))
    table = tabulate([image], [truth], ["cat", "dog"])
    evaluations = [evaluate_voc(table, "voc10"), evaluate_coco(table)]
    nowhere = Interval(NAN, NAN)
    intervals = {"voc10": Intervals(Interval(0.1, 0.9), {"cat": Interval(0.25, 1), "dog": nowhere}, 100)}
    cat, dog = _read_csv(format_csv(EvaluationReport(evaluations, intervals)))
    assert cat == {
        **{"class": "cat", "ap_voc10": "0.5", "ap_voc10_low": "0.25", "ap_voc10_high": "1"},
        **{"ap_coco": cat["coco_AP50"], "ap_coco_low": "", "ap_coco_high": ""},
        **{"coco_AP50": "0.50495", "coco_AP75": "0.50495"},  # 51 of 101 recalls
        **{"positives": "2", "detections": "1", "true_positive": "1", "false_positive": "0"},
        **{"duplicate": "0", "ignored": "0", "best_f1": "0.666667", "best_f1_score": "0.5"},
    }
    assert dog["ap_voc10"] == dog["ap_voc10_low"] == dog["ap_coco"] == dog["best_f1"] == ""
    assert (dog["positives"], dog["detections"]) == ("0", "0")


def test_csv_without_classes_or_protocols_is_a_header() -> None:
    assert format_csv(EvaluationReport()).count("\n") == 1
    without_classes = evaluate_voc(tabulate([], [], []), "voc07")
    assert format_csv(EvaluationReport([without_classes])).startswith(
        "class,ap_voc07,ap_voc07_low,ap_voc07_high,positives"
    )


@pytest.mark.parametrize("name", ['a,"b"', "two\nlines", "\udcff", "\x1b[2J", "猫", "=1+1"])
def test_hostile_names_stay_one_cell_of_one_line(name: str) -> None:
    evaluation = evaluate_voc(tabulate([], [], [name, "cat"]), "voc07")
    text = format_csv(EvaluationReport([evaluation]))
    assert text.count("\n") == 3
    assert [row["class"] for row in _read_csv(text)][1] == "cat"
    text.encode()


def _waterfall_rows(objects: int, found: int, *counts: int) -> list[tuple[str, ...]]:
    """Each row's kind, count, beginning and width of its bar, and mAP if perfect."""
    steps = tuple(Step(f"step {i}", "why", count, 0.5 + i / 10) for i, count in enumerate(counts))
    waterfall = Waterfall("mAP", 0.4, objects, found, steps, np.zeros(0, np.int64), {})
    page = render_html(EvaluationReport(waterfall=waterfall))
    figure, bar = r'<td class="figure">(.*?)</td>', r' x="(.*?)" width="(.*?)"'
    return re.findall(rf'<tr class="(\w+)">.*?{figure}.*?{bar}.*?{figure}</tr>', page, re.DOTALL)


def test_bars_hang_where_the_one_above_ends() -> None:
    assert _waterfall_rows(200, 100, 20, 80) == [
        ("all", "200", "0.00", "100.00", ""),
        ("lost", "−20", "90.00", "10.00", "0.5000"),
        ("lost", "−80", "50.00", "40.00", "0.6000"),
        ("found", "100", "0.00", "50.00", ""),
    ]


def test_bars_without_objects_have_no_width() -> None:
    assert {row[3] for row in _waterfall_rows(0, 0, 0)} == {"0.00"}


def test_area_below_a_curve_reaches_down_and_to_the_left() -> None:
    boxes, labels = as_boxes([A, [20, 0, 30, 10]]), np.array(["cat", "cat"])
    truth = GroundTruth("a.jpg", 200, 100, boxes, labels, np.array([False, False]))
    boxes, scores = as_boxes([A, [50, 50, 60, 60], [20, 0, 30, 10]]), np.array([0.9, 0.8, 0.7])
    found = ImageDetections("a.jpg", 200, 100, Detections(boxes, np.array(["cat"] * 3), scores))
    page = render_html(EvaluationReport([evaluate_voc(tabulate([found], [truth], ["cat", "dog"]))]))
    areas = re.findall(r'<polygon class="area" points="(.*?)"', page)
    assert areas == ["0,100 0,0.0 50.0,0.0 100.0,33.3 100.0,100"]  # and none for the class without a curve
