import re

import pytest
from conftest import REPOSITORY
from typer.main import get_command
from typer.testing import CliRunner

from inception_rcnn.detector.cli.app import app

CARDS = [f"detector/models/{name}/README.md" for name in ("googlenet-voc", "googlenet-ilsvrc")]
PAGES = ["README.md", "docs/scale.md", "docs/reproduce.md", *CARDS]


def blocks(language, page="README.md"):
    return re.findall(rf"```{language}\n(.*?)```", (REPOSITORY / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_python_example_finds_a_cat(tmp_path, monkeypatch, capsys):
    data = pytest.importorskip("skimage.data")
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "photos").mkdir()
    for name in ("chelsea", "rocket"):
        image.fromarray(getattr(data, name)()).save(tmp_path / "photos" / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    (example,) = blocks("python")
    exec(compile(example, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert out.startswith("chelsea.png ['cat'")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_option_in_it_exists(page):
    group, commands = get_command(app), "".join(blocks("sh", page)).replace("\\\n", "")
    lines = [line.split("#")[0].removeprefix("./run ").split() for line in commands.splitlines()]
    calls = [words[1:] for words in lines if words and words[0] == "inception-rcnn"]
    assert calls
    for words in calls:
        command = group
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known, words


@pytest.mark.slow
def test_the_demo_writes_drawn_images(tmp_path):
    pytest.importorskip("skimage")
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path), "--device", "cpu"])
    assert result.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "found" / "drawn").iterdir()) == [
        "astronaut.png",
        "chelsea.png",
        "coffee.png",
        "motorcycle.png",
        "rocket.png",
    ]
    labels = (tmp_path / "found" / "detections.jsonl").read_text()
    assert '"cat"' in labels
    assert '"person"' in labels
    assert '"motorbike"' in labels
