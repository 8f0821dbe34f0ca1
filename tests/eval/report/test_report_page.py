"""The report's page in a browser: what it shows, that the keyboard is enough, and that it talks to nobody."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from image_records import found_of, truth_of
from numpy.typing import NDArray

from inception_rcnn.data.errors import DataError
from inception_rcnn.data.records import GroundTruth
from inception_rcnn.eval.metrics.protocols import evaluate_voc
from inception_rcnn.eval.metrics.table import tabulate
from inception_rcnn.eval.report.report import EvaluationReport, write_report

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium")]

HOSTILE = "<script>alert(1)</script>"
HOSTILE_FILE = "</script><img src=x onerror=alert(2)>\u2028\x07\udcff.jpg"
A, B, C = [0, 0, 40, 40], [60, 0, 100, 40], [120, 0, 160, 40]


TRUTHS = [
    # In the order of the page: at the scores of the best F1 a cat is missed here, and a horse is where there is a cat.
    truth_of("worst.jpg", ("cat", A), ("cat", B), ("horse", C), ("horse", [160, 60, 200, 100]), difficult=[3]),
    truth_of(HOSTILE_FILE, (HOSTILE, A)),
    truth_of("best.jpg", ("cat", A), ("horse", B)),
]
PREDICTIONS = [
    found_of(
        "worst.jpg",
        *[("cat", 0.85, A), ("cat", 0.8, A), ("horse", 0.7, A), ("horse", 0.5, C)],
        *[("cat", 0.3, [0, 60, 40, 100]), ("horse", 0.1, [160, 60, 200, 100])],
    ),
    found_of(HOSTILE_FILE, (HOSTILE, 0.4, B), *[("class 9", 0.05, C)] * 12),
    found_of("best.jpg", ("cat", 0.95, A), ("horse", 0.9, B)),
]
CLASSES = ["cat", HOSTILE, "horse", "ant", "class 10", "class 9"]  # of the last three there are no objects


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first image has no file, the others have one."""
    folder = tmp_path_factory.mktemp("report")
    table = tabulate(PREDICTIONS, TRUTHS, CLASSES)
    pixels = np.full((100, 200, 3), (90, 140, 90), np.uint8)

    def read(truth: GroundTruth) -> NDArray[np.uint8]:
        if truth.file == "worst.jpg":
            raise DataError("worst.jpg is not there")
        return pixels

    write_report(
        EvaluationReport(
            [evaluate_voc(table, metric) for metric in ("voc07", "voc10")],
            facts={"data": HOSTILE},
            failures=[(HOSTILE_FILE, HOSTILE)],
            read=read,
        ),
        folder,
    )
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "playwright.Browser", report: Path) -> Iterator["playwright.Page"]:
    """The page, and after the test a check that it has neither complained, nor asked, nor fetched anything."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    events: list[str] = []
    page.on("console", lambda message: events.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: events.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (events.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: events.append(f"request: {request.url}"))
    page.goto(report.as_uri())
    yield page
    page.wait_for_timeout(50)
    context.close()
    assert [event for event in events if not event.startswith("request: data:image/jpeg")] == [
        f"request: {report.as_uri()}"
    ]


def _set_score(page: "playwright.Page", score: float) -> None:
    page.locator("#score").fill(str(score))


def _counts(page: "playwright.Page") -> dict[str, int]:
    """How many boxes of each kind are drawn."""
    kinds = page.locator("#boxes g").evaluate_all("groups => groups.map(g => g.getAttribute('class'))")
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def _show(page: "playwright.Page", file: str) -> None:
    option = page.locator("#image-file option", has_text=file)
    page.locator("#image-file").select_option(option.get_attribute("value"))


def _num_detections(page: "playwright.Page") -> int:
    return sum(count for kind, count in _counts(page).items() if kind not in ("missed", "object"))


@pytest.mark.parametrize(
    ("score", "kinds"),
    [
        (0, {"duplicate": 1, "false": 2, "found": 2, "ignored": 1, "missed": 1, "object": 3}),
        (0.3, {"duplicate": 1, "false": 2, "found": 2, "missed": 1, "object": 3}),
        (0.31, {"duplicate": 1, "false": 1, "found": 2, "missed": 1, "object": 3}),
        (0.5, {"duplicate": 1, "false": 1, "found": 2, "missed": 1, "object": 3}),
        (0.6, {"duplicate": 1, "false": 1, "found": 1, "missed": 2, "object": 2}),
        (0.85, {"found": 1, "missed": 2, "object": 2}),
        (0.9, {"missed": 3, "object": 1}),
        (1, {"missed": 3, "object": 1}),
    ],
)
def test_boxes_at_thresholds(page: "playwright.Page", score: float, kinds: dict[str, int]) -> None:
    _set_score(page, score)
    assert _counts(page) == kinds
    assert page.locator("#score-value").text_content() == f"{score:.2f}"
    num = _num_detections(page)
    assert (page.locator("#status").text_content() or "").startswith(f"{num} of 6 detections shown")
    assert page.locator("#list li").count() == num + kinds["missed"]


@pytest.mark.parametrize(("score", "num"), [(0.3, 5), (0.9, 0), (0, 6)])
def test_as_many_boxes_as_reach_the_threshold(page: "playwright.Page", score: float, num: int) -> None:
    _set_score(page, score)
    assert _num_detections(page) == num


def test_first_threshold_is_in_the_middle_of_the_best(page: "playwright.Page") -> None:
    # Best F1: cats keep all from .85 on, horses from .5 on; the hostile class has none.
    assert page.locator("#score").input_value() == "0.67"


def test_kinds_differ_in_colour_line_and_label(page: "playwright.Page") -> None:
    _set_score(page, 0)
    kinds = ("found", "false", "duplicate", "ignored", "missed", "object")
    style = "rect => [getComputedStyle(rect).stroke, getComputedStyle(rect).strokeDasharray]"
    styles = [page.locator(f"#boxes .{kind} .paint").first.evaluate(style) for kind in kinds]
    assert len({colour for colour, _ in styles}) == len(kinds)
    assert len({dashes for _, dashes in styles[:5]}) == 5
    labels = sorted(page.locator("#labels span").all_text_contents())
    assert labels == sorted(
        ["✓ cat 0.85", "2× cat 0.80", "✗ horse 0.70", "✓ horse 0.50", "✗ cat 0.30", "– horse 0.10", "○ cat missed"]
    )


def test_boxes_are_where_they_belong_on_the_image(page: "playwright.Page") -> None:
    _show(page, "best.jpg")
    _set_score(page, 0.9)
    frame, horse = page.locator("#image").bounding_box(), page.locator("#boxes .found .rim").first.bounding_box()
    assert frame
    assert horse
    scale = frame["width"] / 200
    assert frame["height"] == pytest.approx(100 * scale, abs=1)
    assert horse["x"] - frame["x"] == pytest.approx(60 * scale, abs=5)
    assert horse["width"] == pytest.approx(40 * scale, abs=8)


def test_filter_by_class_and_ground_truth_switch(page: "playwright.Page") -> None:
    _set_score(page, 0.3)
    page.locator("#image-class").select_option(label="cat")
    assert _counts(page) == {"duplicate": 1, "false": 1, "found": 1, "missed": 1, "object": 1}
    page.locator("#truth").uncheck()
    assert _counts(page) == {"duplicate": 1, "false": 1, "found": 1}
    assert "missed" not in (page.locator("#status").text_content() or "")
    page.locator("#image-class").select_option(label="all")
    assert _num_detections(page) == 5


def test_filter_by_class_leaves_only_images_with_it(page: "playwright.Page") -> None:
    assert page.locator("#image-class option").all_text_contents() == ["all", HOSTILE, "cat", "class 9", "horse"]
    page.locator("#image-class").select_option(label=HOSTILE)
    assert page.locator("#image-file option").count() == 1
    assert page.locator("#image").get_attribute("alt") == HOSTILE_FILE.replace("\u2028", r"\u2028").replace(
        "\x07", r"\x07"
    ).replace("\udcff", r"\udcff")
    page.locator("#image-class").select_option(label="cat")
    assert page.locator("#image-file option").count() == 2


def test_images_are_from_the_worst_to_the_best_and_a_missing_file_is_a_frame(page: "playwright.Page") -> None:
    assert page.locator("#image-file option").all_text_contents()[::2] == [
        "1 of 3 · worst.jpg · 2 mistakes",
        "3 of 3 · best.jpg · 0 mistakes",
    ]
    assert page.locator("#image").is_hidden()
    page.locator("#next").click()
    assert page.locator("#image").is_visible()
    assert page.locator("#image").evaluate("image => image.decode().then(() => image.naturalWidth)") == 200
    for _ in range(2):
        page.locator("#next").click()  # after the last comes the first
    assert page.locator("#image").is_hidden()
    page.locator("#previous").click()
    assert page.locator("#image").get_attribute("alt") == "best.jpg"


def test_arrow_keys_show_the_other_images(page: "playwright.Page") -> None:
    page.locator("#frame").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("#image").get_attribute("alt") == "best.jpg"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#image").get_attribute("alt") == "worst.jpg"


def test_arrow_keys_on_the_slider_move_the_slider(page: "playwright.Page") -> None:
    _set_score(page, 0.29)
    page.locator("#score").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#score-value").text_content() == "0.30"
    assert _num_detections(page) == 5
    page.keyboard.press("Home")
    assert _num_detections(page) == 6
    page.keyboard.press("End")
    assert _num_detections(page) == 0
    assert page.locator("#image").get_attribute("alt") == "worst.jpg"


def test_a_line_of_the_list_points_at_its_box(page: "playwright.Page") -> None:
    _set_score(page, 0)
    page.locator("#list li").nth(2).hover()
    assert page.locator("#labels .strong").all_text_contents() == ["✗ horse 0.70"]
    page.locator("#list li").first.focus()
    page.keyboard.press("ArrowDown")
    assert "2× cat 0.80" in page.locator("#labels .strong").all_text_contents()
    page.keyboard.press("ArrowRight")  # to the next image; the focus is not lost
    assert page.evaluate("document.activeElement.id") == "frame"


def _names(page: "playwright.Page") -> list[str]:
    return page.locator("#class-table tbody th").all_text_contents()


def _press_header(page: "playwright.Page", column: int, key: str = "Enter") -> str | None:
    header = page.locator("#class-table thead th").nth(column)
    header.locator("button").focus()
    page.keyboard.press(key)
    return header.get_attribute("aria-sort")


def test_sorting_is_by_number_and_what_does_not_exist_is_last(page: "playwright.Page") -> None:
    aps = page.locator("#class-table tbody td:nth-child(2)")
    rest = ["ant", "class 10", "class 9"]
    assert _press_header(page, 1) == "descending"
    shown = [text.split()[0] for text in aps.all_text_contents()]
    assert shown == sorted(shown[:3], reverse=True) + ["n/a"] * 3
    assert _names(page)[2:] == [HOSTILE, *rest]
    assert _press_header(page, 1, "Space") == "ascending"
    assert [text.split()[0] for text in aps.all_text_contents()] == shown[2::-1] + ["n/a"] * 3
    assert _names(page) == [HOSTILE, *_names(page)[1:3], *rest]
    assert page.locator("#class-table th[aria-sort=none]").count() == page.locator("#class-table thead th").count() - 1


def test_sorting_by_name_counts_numbers_and_moves_the_curves(page: "playwright.Page") -> None:
    assert _press_header(page, 0) == "ascending"
    assert _names(page) == [HOSTILE, "ant", "cat", "class 9", "class 10", "horse"]
    assert page.locator("#curves-by-class figcaption b").all_text_contents() == _names(page)
    assert _press_header(page, 0) == "descending"
    assert _names(page) == ["horse", "class 10", "class 9", "cat", "ant", HOSTILE]


def test_counts_are_sorted_as_numbers(page: "playwright.Page") -> None:
    titles = page.locator("#class-table thead button").all_text_contents()
    _press_header(page, titles.index("detections"))
    counts = page.locator(f"#class-table tbody td:nth-child({titles.index('detections') + 1})").all_text_contents()
    assert counts == ["12", "4", "4", "1", "0", "0"]


def test_filter_of_classes(page: "playwright.Page") -> None:
    page.locator("#filter").fill(" CLASS ")
    assert page.locator("#class-table tbody tr:visible th").all_text_contents() == ["class 10", "class 9"]
    assert page.locator("#curves-by-class figure:visible b").all_text_contents() == ["class 10", "class 9"]
    assert page.locator("#shown-classes").text_content() == "2 of 6 classes"
    page.locator("#filter").fill("<script>")
    assert page.locator("#class-table tbody tr:visible th").all_text_contents() == [HOSTILE]
    page.locator("#filter").fill("nobody")
    assert page.locator("#class-table tbody tr:visible").count() == 0
    page.locator("#filter").fill("")
    assert page.locator("#class-table tbody tr:visible").count() == 6


def _marked(page: "playwright.Page") -> tuple[list[str], list[str], str | None]:
    rows = page.locator("#class-table tr.marked th").all_text_contents()
    figures = page.locator("#curves-by-class figure.marked b").all_text_contents()
    return rows, figures, page.locator("#lens b").text_content()


def test_a_row_its_curve_and_the_plot_of_all_curves_are_linked(page: "playwright.Page") -> None:
    page.locator("#class-table tbody tr", has_text="horse").hover()
    assert _marked(page) == (["horse"], ["horse"], "horse")
    assert page.locator("#lens g.marked").get_attribute("data-class") == "2"
    page.locator("#curves-by-class figure", has_text="cat").hover()
    assert _marked(page) == (["cat"], ["cat"], "cat")
    assert page.locator("#lens g.marked").get_attribute("data-class") == "0"
    page.locator("#curves-by-class figure", has_text="ant").hover()  # there is no curve
    assert _marked(page) == (["ant"], ["ant"], "ant")
    assert page.locator("#lens g.marked").count() == 0


def test_a_curve_in_the_plot_of_all_curves_marks_its_row(page: "playwright.Page") -> None:
    page.locator("#lens g[data-class='0'] .target").dispatch_event("pointerover")
    assert _marked(page) == (["cat"], ["cat"], "cat")


def test_keyboard_goes_through_rows_and_curves(page: "playwright.Page") -> None:
    page.locator("#class-table thead button").last.focus()
    page.keyboard.press("Tab")
    assert _marked(page)[0] == ["cat"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert _marked(page) == (["horse"], ["horse"], "horse")
    page.keyboard.press("End")
    assert _marked(page)[0] == ["class 9"]
    page.keyboard.press("ArrowDown")  # there is no further one
    page.keyboard.press("Home")
    page.keyboard.press("Tab")  # all rows are one stop
    assert page.evaluate("document.activeElement.tagName") == "FIGURE"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert _marked(page)[1] == ["horse"]


def test_filtered_rows_can_be_reached_by_keyboard(page: "playwright.Page") -> None:
    page.locator("#filter").fill("class")
    page.locator("#class-table thead button").last.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert _marked(page)[0] == ["class 9"]


def test_everything_is_reached_by_tab_alone(page: "playwright.Page") -> None:
    seen = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        if page.evaluate("document.activeElement === document.body"):
            break
    wanted = {"A", "BUTTON", "TR", "FIGURE", "LI", "filter", "previous", "next", "image-file", "image-class"}
    assert wanted | {"score", "truth", "frame"} <= seen


def test_hostile_names_are_text(page: "playwright.Page") -> None:
    assert page.locator("#class-table tbody th").nth(1).text_content() == HOSTILE
    page.locator("#class-table tbody tr").nth(1).hover()
    assert page.locator("#lens b").text_content() == HOSTILE
    page.locator("#next").click()
    assert (page.locator("#list li").first.text_content() or "").startswith(HOSTILE)
    assert page.locator("script").count() == 2
    assert page.locator("img").count() == 1
    assert page.locator("#failures td").nth(1).text_content() == HOSTILE


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1440])
def test_text_can_be_read_in_light_and_dark_at_any_width(page: "playwright.Page", scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    colours = [
        [int(part) for part in text[4:-1].split(",")]
        for text in page.locator("h2").first.evaluate(
            "h => [getComputedStyle(h).color, getComputedStyle(document.body).backgroundColor]"
        )
    ]
    ink, paper = (sum(colour) / 3 for colour in colours)
    assert (ink < 64 and paper > 230) if scheme == "light" else (ink > 210 and paper < 40)


def test_print_has_all_rows_on_white_and_nothing_to_click(page: "playwright.Page") -> None:
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor") == "rgb(255, 255, 255)"
    for selector in ("nav", "#filter", "#score", "#lens"):
        assert page.locator(selector).is_hidden()
    assert page.locator("#class-table tbody tr:visible").count() == 6
