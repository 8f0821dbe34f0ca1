import errno
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from inception_rcnn.detector import cli

VERBS = ("detect", "propose", "train", "classify", "evaluate", "compare", "check", "draw", "benchmark", "demo", "info")


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
    code = "import sys; from inception_rcnn.detector import cli; print({'torch', 'numba', 'cv2'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "set()"
    shown = CliRunner().invoke(cli.app, ["--help"])
    assert shown.exit_code == 0
    for verb in VERBS:
        assert verb in shown.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb):
    assert CliRunner().invoke(cli.app, [verb, "--help"]).exit_code == 0


def test_it_runs_as_a_module_and_without_a_verb_it_explains_itself():
    shown = command()
    assert "Usage" in shown.stdout + shown.stderr
    assert shown.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["detect", "{tmp}", "--out", "{tmp}/out"], 4, "no pictures in"),
        (["detect", "{tmp}/nothing", "--out", "{tmp}/out"], 4, "nothing"),
        (["detect", "voc:{tmp}:val", "--out", "{tmp}/out"], 4, "looked for"),
        (["evaluate", "--predictions", "{tmp}", "--data", "pascal:x:y", "--out", "{tmp}/o"], 2, "no kind of data set"),
        (["evaluate", "--predictions", "{tmp}", "--data", "voc:x:y", "--metric", "map", "--out", "o"], 2, "--metric"),
        (["draw", "{tmp}/none.jsonl", "--images", "{tmp}", "--out", "{tmp}/out"], 4, "does not exist"),
        (["train", "finetune", "--data", "voc:{tmp}:train", "--out", "{tmp}/o"], 4, "looked for"),
        (["propose", "{tmp}", "--out", "{tmp}/p.safetensors", "--proposals", "edge-boxes"], 2, "unknown way"),
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
