"""Where the parts of a VOC data set are: as the devkit has them, or as exports and downloads do.

- `Annotations/`, `JPEGImages/` and lists `ImageSets/Main/SPLIT.txt`, below `VOCdevkit/VOC<year>` or in a folder;
- a folder for each split, with XML beside the images (Roboflow) or in `annotations/` beside `images/` (Kaggle), or
  a folder of the split's name in both of these; every annotation then belongs to the split;
- a folder of any of these forms itself, as the split of its own name or as `all`.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ...datasets.split_lists import read_split_list
from ...diagnostics import cut
from ...errors import DataError
from ...files.folder_walk import natural_key
from ...images.decoding import IMAGE_EXTENSIONS

ANNOTATIONS, IMAGES = ("Annotations", "annotations", "annots"), ("JPEGImages", "images", "Images")
FOLDERS = frozenset(name.lower() for name in (*ANNOTATIONS, *IMAGES))
_LISTS = ("ImageSets/Main", "ImageSets", ".")
_EVERYTHING = "all"  # the split of a folder without lists


class VocFolder(NamedTuple):
    """The folders of annotations and of images, and the list of the split; without one it is all annotations."""

    name: str
    annotations: Path
    images: Path
    listed: Path | None


def find_voc(root: Path, split: str, year: int | str | None) -> VocFolder:
    """The data set of a root, and of a year if one is given, that has the split."""
    if not os.path.isdir(root):
        raise DataError(f"{cut(str(root))}: no VOC data set here ({cut(str(root))} does not exist)")
    folders = [root / "VOCdevkit" / f"VOC{year}", root / f"VOC{year}"] if year is not None else [root]
    for folder in folders:
        for lists in _LISTS:
            listed = folder / lists / f"{split}.txt"
            if os.path.isfile(listed) and (lists != "." or _is_voc(folder)):
                return VocFolder(folder.resolve().name, *_parts(folder), listed)
    if year is None:
        for annotations, images in _unlisted(root, split):
            if next(_xml_below(annotations), None) is not None:
                return VocFolder(root.resolve().name, annotations, images, None)
    raise DataError(_advice(root, folders, split))


def all_annotations(folder: Path) -> list[str]:
    """The XML files below a folder, with `/` on any system, without those of hidden names, in natural order."""
    return [path.replace(os.sep, "/") for path in sorted(_xml_below(folder), key=natural_key)]


def _xml_below(folder: Path) -> Iterator[str]:
    for path, folders, files in os.walk(folder) if os.path.isdir(folder) else ():
        folders[:] = _visible(folders)
        for name in _visible(files):
            if name.lower().endswith(".xml"):
                yield os.path.relpath(os.path.join(path, name), folder)


def _visible(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.startswith(".")]


def _is_voc(folder: Path) -> bool:
    return any(os.path.isdir(folder / name) for name in (*ANNOTATIONS, *IMAGES))


def _parts(folder: Path) -> tuple[Path, Path]:
    """The folders of annotations and of images; the folder itself where both lie in it side by side."""
    beside = not _is_voc(folder) and _holds(folder, (".xml", *IMAGE_EXTENSIONS))
    return (folder, folder) if beside else (_first(folder, ANNOTATIONS), _first(folder, IMAGES))


def _first(folder: Path, names: tuple[str, ...]) -> Path:
    return next((folder / name for name in names if os.path.isdir(folder / name)), folder / names[0])


def _holds(folder: Path, endings: tuple[str, ...]) -> bool:
    if not os.path.isdir(folder):
        return False
    with os.scandir(folder) as entries:
        return any(entry.name.lower().endswith(endings) for entry in entries)


def _unlisted(root: Path, split: str) -> Iterator[tuple[Path, Path]]:
    yield _parts(root / split)
    annotations, images = _parts(root)
    yield annotations / split, images / split
    if split in (_EVERYTHING, root.resolve().name):
        yield (annotations, images) if _is_voc(root) else (root, root)


def _advice(root: Path, folders: list[Path], split: str) -> str:
    years = sorted({found.name for base in (root / "VOCdevkit", root) for found in base.glob("VOC[0-9]*")})
    lists = [folder / "ImageSets" / "Main" for folder in folders if os.path.isdir(folder / "ImageSets" / "Main")]
    if lists:
        read_split_list(lists[0] / f"{split}.txt")  # its error lists those that are there
    there = f"; there are {', '.join(years)}: name the year, as in voc:{root}:{years[-1][3:]}:val" if years else ""
    if len(folders) > 1:
        wanted = " and ".join(str(folder / ANNOTATIONS[0]) for folder in folders)
        return f"{root}: no VOC data set here: looked for {wanted}{there}"
    own = {found.relative_to(root).parts[0] for found in (*root.glob("*/*.xml"), *root.glob("*/annotations/*.xml"))}
    alone = next(root.glob("*.xml"), None) is not None or own & {*ANNOTATIONS}
    splits = [*sorted(own - {*ANNOTATIONS}), *([_EVERYTHING] if own or alone else [])]
    there = there or (f"; the splits here are: {', '.join(splits[:20])}" if splits else "")
    return (
        f"{root}: has no split {split!r}: looked for {ANNOTATIONS[0]}/ and the list ImageSets/Main/{split}.txt, "
        f"and for a folder {split}/ with XML beside the images or in {ANNOTATIONS[1]}/ beside {IMAGES[1]}/{there}"
    )
