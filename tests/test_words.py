"""Words that public names, `--help` and the documents do not use: torchvision and detectron2 have others for them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from inception_rcnn.detector.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("backbone", "data", "detector", "eval", "proposals")

# What to say instead: image; evaluate, score, predict; detect, forward; cache; index; random, seed; backbone, box head;
# report, log; replicates; fraction, shard.
NAMES = {
    *("picture", "pictures", "judge", "judged", "judging", "unjudged", "look", "looks", "looked", "looking", "kept"),
    *("place", "places", "chance", "trunk", "trunks", "tail", "tails", "told", "tell", "tells", "say", "says", "said"),
    *("story", "chapter", "retrace", "retraced", "asked", "share", "shares", "worth", "draws"),
}
PROSE = re.compile(
    r"\b(pictures?|judg\w+|unjudged|look(s|ed|ing)?|kept|trunks?|tails?|chance|told|tells?|story|chapters?|retrac\w+|"
    r"so many|thought of|worth|gather\w*)\b",
    re.IGNORECASE,
)
# A name of release 0.1.0 that scripts have, a key of `compare --json`, and what suppression keeps, as torchvision says.
EXEMPT = {"Dataset.pictures", "Comparison.draws", "voted_boxes(kept)"}


def _public_names(source: str) -> list[str]:
    """The names of a module that others see: classes, functions, their parameters, and what is assigned outside."""
    names: list[str] = []

    def visit(body: list[ast.stmt], owner: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                names.append(owner + node.name)
                if isinstance(node, ast.ClassDef):
                    visit(node.body, f"{node.name}.")
                else:
                    names.extend(f"{owner}{node.name}({each.arg})" for each in _arguments(node))
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names.append(owner + node.target.id)
            elif isinstance(node, ast.Assign):
                names.extend(owner + target.id for target in node.targets if isinstance(target, ast.Name))

    visit(ast.parse(source).body, "")
    return [name for name in names if not name.rpartition(".")[2].startswith("_")]


def _arguments(node: ast.FunctionDef) -> list[ast.arg]:
    return [each for each in (*node.args.args, *node.args.kwonlyargs) if each.arg not in ("self", "cls")]


def _words(name: str) -> set[str]:
    """
    >>> sorted(_words("Dataset.looked_at(numKept)"))
    ['at', 'dataset', 'kept', 'looked', 'num']
    """
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def test_words_of_names() -> None:
    assert _words("Dataset.looked_at(numKept)") == {"dataset", "looked", "at", "num", "kept"}
    assert _public_names("def f(a, *, b): ...\nclass C:\n  x: int\n  def _g(self): ...\n_Y = 1") == [
        *("f", "f(a)", "f(b)", "C", "C.x"),
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_public_names_use_the_words_of_the_field(folder: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / folder).rglob("*.py")
        for name in [*_public_names(path.read_text("utf-8")), path.stem]
        if _words(name) & NAMES and name not in EXEMPT and path.name != "kept.py"
    }
    assert not found


def _verbs(command: object, *name: str) -> Iterator[tuple[str, ...]]:
    yield name
    for verb, sub in getattr(command, "commands", {}).items():
        yield from _verbs(sub, *name, verb)


def test_help_uses_the_words_of_the_field() -> None:
    pages = {verb: CliRunner().invoke(app, [*verb, "--help"]).stdout for verb in _verbs(typer.main.get_command(app))}
    assert len(pages) > 20
    assert all("Usage" in text for text in pages.values())
    assert [(*verb, match[0]) for verb, text in pages.items() for match in PROSE.finditer(text)] == []


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CONTRIBUTING.md",
        *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("detector/*/*/README.md"))),
        *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/*.md"))),
    ],
)
def test_documents_use_the_words_of_the_field(document: str) -> None:
    text = re.sub(r"`[^`]*`", "", (ROOT / document).read_text("utf-8"))  # without commands and names
    assert [match[0] for match in PROSE.finditer(text)] == []
