import errno
import os
import re
import subprocess
import sys
from importlib.metadata import version
from typing import get_args, get_type_hints

import numpy as np
import pytest
from typer.testing import CliRunner

from inception_rcnn.data.errors import UsageError
from inception_rcnn.data.formats import specs
from inception_rcnn.data.images.decoding import encode_image
from inception_rcnn.detector.cli import app as cli
from inception_rcnn.detector.cli import options as cli_options

VERBS = (
    *("detect", "merge", "propose", "train", "classify", "evaluate", "compare"),
    *("convert", "check", "draw", "benchmark", "reproduce", "demo", "info"),
)


def command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "inception_rcnn", *arguments], capture_output=True, text=True, check=False, **options
    )


@pytest.fixture
def main(monkeypatch, capsys):
    """Call the command line in this process; gives the exit code, stdout and stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["inception-rcnn", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code, *capsys.readouterr()

    return call


def test_help_lists_the_verbs_and_loads_nothing_heavy():
    code = f"""
import sys
from typer.testing import CliRunner
from inception_rcnn.detector.cli import app
for verb in {VERBS}:
    assert CliRunner().invoke(app.app, [verb, "--help"]).exit_code == 0, verb
print({{"torch", "numba", "cv2", "inception_rcnn.detector.cli.app"}} & set(sys.modules))
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "{'inception_rcnn.detector.cli.app'}"
    shown = CliRunner().invoke(cli.app, ["--help"])
    assert shown.exit_code == 0
    for verb in VERBS:
        assert verb in shown.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb):
    shown = CliRunner().invoke(cli.app, [verb, "--help"])
    assert shown.exit_code == 0
    assert f"Usage: root {verb} [OPTIONS]" in " ".join(shown.stdout.split())
    assert "--help" in shown.stdout


def test_it_runs_as_a_module_and_without_a_verb_it_explains_itself():
    shown = command()
    assert "Usage" in shown.stdout + shown.stderr
    assert shown.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["detect", "{tmp}", "--out", "{tmp}/out"], 4, "no images in"),
        (["detect", "{tmp}/nothing", "--out", "{tmp}/out"], 4, "nothing"),
        (["detect", "voc:{tmp}:val", "--out", "{tmp}/out"], 4, "has no split"),
        (["evaluate", "--predictions", "{tmp}", "--data", "pascal:x:y", "--out", "{tmp}/o"], 2, "no kind of data set"),
        (["evaluate", "--predictions", "{tmp}", "--data", "voc:x:y", "--metric", "map", "--out", "o"], 2, "--metric"),
        (["draw", "{tmp}/none.jsonl", "--images", "{tmp}", "--out", "{tmp}/out"], 4, "does not exist"),
        (["train", "finetune", "--data", "voc:{tmp}:train", "--out", "{tmp}/o"], 4, "has no split"),
        (["propose", "{tmp}", "--out", "{tmp}/p.safetensors", "--proposals", "edge-boxes"], 2, "unknown way"),
        (["propose", "{tmp}", "--out", "{tmp}/p.npz", "--proposals", "no.npz"], 2, "no.npz: there is no such file of"),
        (["propose", "{tmp}", "--out", "{tmp}/p.npz", "--proposals", "{tmp}/no"], 2, "no: there is no such file of"),
        (["propose", "{tmp}", "--out", "{tmp}/p.npz", "--proposals", "{tmp}"], 2, ": is no method, nor a file"),
        (["propose", "{tmp}", "--out", "{tmp}/p.npz", "--proposals", "selectivesearch:fast,scales=5/9"], 2, "unknown"),
    ],
)
def test_bad_input_is_one_sentence_and_the_right_exit_code(main, tmp_path, arguments, code, message):
    found, out, err = main(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert (found, out) == (code, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_an_unknown_option_is_a_usage_error(main):
    assert main("detect", "x", "--no-such-option")[0] == 2


def test_an_interrupt_is_exit_code_130(main, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", interrupted)
    code, _, err = main("info")
    assert code == 130
    assert "goes on" in err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (RuntimeError("operator torchvision::nms does not exist"), "from the same index"),
        (ModuleNotFoundError("No module named 'cv2'", name="cv2"), "'cv2' is missing"),
    ],
)
def test_what_the_machine_lacks_is_one_sentence_and_code_3(main, monkeypatch, error, message):
    def failing():
        raise error

    monkeypatch.setattr(cli, "app", failing)
    code, _, err = main("info")
    assert code == 3
    assert message in err


def test_a_mistake_of_our_own_is_not_hidden(monkeypatch):
    def failing():
        raise RuntimeError("something else")

    monkeypatch.setattr(cli, "app", failing)
    with pytest.raises(RuntimeError, match="something else"):
        cli.main()


def test_the_version_and_short_help(main):
    assert main("--version") == (0, f"inception-rcnn {version('inception-rcnn')}\n", "")
    for arguments in (["-h"], ["detect", "-h"], ["train", "finetune", "-h"]):
        code, out, _ = main(*arguments)
        assert code == 0
        assert "Usage" in out


def test_the_verbs_that_take_a_spec_explain_every_form_of_it():
    forms = [each for form, _ in specs._READERS.values() for each in form.split(" or ")]
    assert {form.partition(":")[0] for form in forms} == {*specs._READERS}
    for form in forms:
        assert f"  {form} " in cli_options.SPEC_HELP or f"{form}:IMAGES" in cli_options.SPEC_HELP
    for verb in (["detect"], ["evaluate"], ["check"], ["train", "finetune"], ["benchmark", "proposals"]):
        assert "A SPEC names a data set:\n    voc:ROOT:YEAR:SPLIT " in CliRunner().invoke(cli.app, [*verb, "-h"]).stdout


def _numeric_options():
    """The words of each verb, and the type of each of its options that takes a number."""
    train, benchmark = cli.train_app.registered_commands, cli.benchmark_app.registered_commands
    for words, commands in ([], cli.app.registered_commands), (["train"], train), (["benchmark"], benchmark):
        for command in commands:
            hints = get_type_hints(command.callback)
            for name, kind in hints.items():
                kinds = {*get_args(kind), kind}
                if name != "return" and kinds & {int, float, list[float]}:
                    verb = [*words, command.name or command.callback.__name__]
                    yield verb, "--" + name.replace("_", "-"), int if int in kinds else float


NEEDED = {
    "detect": "x.jpg --out x",
    "propose": "x.jpg --out x",
    "classify": "--model x --data x",
    "compare": "a b --data x",
    "draw": "x --images x --out x",
    "train finetune": "--data x --out x",
    "train distil": "--data x --model x --out x",
    "train ilsvrc-split": "--data x --out x",
    "train multibox": "--data x --out x",
    "train svm": "--data x --out x",
    "train boxes": "--data x --out x",
    "train classifier": "--data x --out x",
    "benchmark proposals": "--data x",
    "benchmark ensemble": "--data x --model x",
    "benchmark sizes": "--data x",
    "benchmark speed": "--data x",
    "benchmark scale": "x",
    "benchmark evaluate": "",
    "reproduce": "--data x --out x",
}


@pytest.mark.parametrize(("verb", "option", "kind"), list(_numeric_options()))
def test_every_number_has_its_range(main, verb, option, kind):
    for value in ("-1", "nan", "2.5" if kind is int else "-inf", "many"):
        code, out, err = main(*verb, *NEEDED[" ".join(verb)].split(), option, value)
        assert (code, out) == (2, ""), value
        assert option in err or f"{option[2:].replace('-', '_')} is" in err
        assert "Traceback" not in err


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--score", "nan", "nan: need a number from 0 to 1"),
        ("--iou", "2", "2: need a number from 0 to 1"),
        ("--time-limit", "0", "0: need a number above 0"),
        ("--max-megapixels", "0", "0: need a number above 0"),
    ],
)
def test_a_number_out_of_its_range_is_told_as_the_help_has_it(main, option, value, said):
    code, _, err = main("detect", "x.jpg", "--out", "x", option, value)
    assert (code, said in err) == (2, True)
    text = " ".join(main("detect", "-h")[1].split())
    assert re.search(rf"{option}\b.{{0,20}} <{said.partition('need a ')[2]}>", text)


@pytest.mark.parametrize(
    "words",
    [
        *("detect x.jpg --out x --classes", "detect x.jpg --out x --model", "evaluate --data x --out x --classes"),
        *("compare a b --data x --classes", "train finetune --data x --out x --classes"),
        *("train svm --data x --out x --classes", "propose x.jpg --out x.npz --proposals multibox:200 --model"),
    ],
)
def test_an_option_that_is_given_and_empty_is_refused(main, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.jpg").write_bytes(b"")
    code, out, err = main(*words.split(), "")
    assert (code, out) == (2, "")
    assert "--classes '': name one" in err or "there is no model ''" in err
    assert [path.name for path in tmp_path.iterdir()] == ["x.jpg"]


def test_options_of_detect_reach_the_model(main, monkeypatch, tmp_path):
    made = []
    detect_files = "inception_rcnn.detector.inference.detect_run.detect_files"
    monkeypatch.setattr(detect_files, lambda sources, out, options, *others: made.append(options.settings))
    assert main("detect", "a.jpg", "--out", str(tmp_path))[0] == 0
    options = [
        "--conf",
        ".4",
        "--iou",
        "0.6",
        "--classes",
        "person, dog",
        "--max-det",
        "7",
        "--min-size",
        "9",
        "--agnostic-nms",
    ]
    assert main("detect", "a.jpg", "--out", str(tmp_path), *options)[0] == 0
    assert made == [
        {},
        {
            "score": 0.4,
            "nms_threshold": 0.6,
            "output_classes": ("person", "dog"),
            "max_detections": 7,
            "min_size": 9,
            "agnostic_nms": True,
        },
    ]


@pytest.mark.parametrize("words", ["", "a.png --data folder"])
def test_classify_takes_images_or_data_to_test_with(main, words):
    code, out, err = main("classify", *words.split())
    assert (code, out) == (2, "")
    assert err == "error: name the images to classify, or with --data those to test classifiers with\n"


def test_unknown_classes_get_a_suggestion(main, tmp_path):
    (tmp_path / "a.png").write_bytes(encode_image(np.zeros((20, 20, 3), np.uint8), ".png"))
    arguments = [f"{tmp_path}/a.png", "--out", f"{tmp_path}/o", "--device", "cpu", "--classes", "persn"]
    code, _, err = main("detect", *arguments)
    assert (code, err) == (2, "error: unknown class 'persn'; did you mean 'person'?\n")


def _a_table_of(name, folder):
    """A CSV of predictions and a VOC data set that hold a class of that name."""
    (folder / "Annotations").mkdir(parents=True)
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    text = f"<annotation><filename>a.png</filename><object><name>{name}</name>{box}</object></annotation>"
    (folder / "Annotations" / "a.xml").write_text(text, encoding="utf-8")
    (folder / "JPEGImages").mkdir()
    (folder / "JPEGImages" / "a.png").write_bytes(encode_image(np.zeros((20, 20, 3), np.uint8), ".png"))
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "val.txt").write_text("a\n")
    (folder / "p.csv").write_text(f"file,label,score,x1,y1,x2,y2\na.png,{name},.9,0,0,9,9\n", encoding="utf-8")


def test_names_that_a_console_cannot_show_are_escaped_and_files_written(tmp_path):
    _a_table_of("猫", tmp_path)
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    data = ["--data", f"voc:{tmp_path}:val"]
    for verb, file in (
        (["check", *data, "--json"], "c.json"),
        (["evaluate", *data, "--predictions", f"{tmp_path}/p.csv", "--out"], "r"),
        (["compare", f"{tmp_path}/p.csv", f"{tmp_path}/p.csv", *data, "--json"], "d.json"),
    ):
        done = command(*verb, str(tmp_path / file), env=environment)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
        assert "\\u732b" in done.stdout
        assert (tmp_path / file).exists()


def test_files_are_there_even_if_nobody_reads_the_table(tmp_path):
    _a_table_of("cat", tmp_path)
    verb = f"{sys.executable} -m inception_rcnn check --data voc:{tmp_path}:val --json {tmp_path}/c.json"
    done = subprocess.run(
        ["bash", "-c", f"{verb} | true; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "141")  # 0 where the table was in the pipe before its reader left
    assert (tmp_path / "c.json").exists()


def test_a_reader_that_has_left_is_no_mistake():
    """A pipe whose other end is closed before the first line."""
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "inception_rcnn", "--version"]
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("message", ["x" * 10**6, "\n".join("x" * 500 for _ in range(10**4)), "a\x1b[2Jb\u202e\x00"])
def test_a_complaint_has_few_lines_and_no_control_characters(main, monkeypatch, message):
    def failing():
        raise UsageError(message)

    monkeypatch.setattr(cli, "app", failing)
    code, _, err = main("info")
    assert code == 2
    assert len(err) < 15_000
    assert err.count("\n") <= 9
    assert not {"\x1b", "\u202e", "\x00"} & {*err}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/out/run.json"), "/out/run.json: permission denied"),
        (FileExistsError(errno.EEXIST, "File exists", "/out"), "/out: file exists"),
        (MemoryError(), "memory is too small"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "memory is too small"),
    ],
)
def test_what_the_system_refuses_is_one_sentence_and_code_3(main, monkeypatch, error, message):
    def failing():
        raise error

    monkeypatch.setattr(cli, "app", failing)
    code, _, err = main("info")
    assert code == 3
    assert message in err
    assert err.count("\n") == 1


def test_options_keep_their_names_of_an_earlier_release(tmp_path):
    for name in ("--pictures", "--images", "--validation-pictures", "--validation-images"):
        result = CliRunner().invoke(cli.app, ["train", "finetune", "--data", "x", "--out", str(tmp_path), name, "0"])
        assert f"Invalid value for '{name.replace('pictures', 'images')}'" in result.output
