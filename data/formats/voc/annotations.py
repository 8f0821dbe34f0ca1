"""PASCAL VOC files: an XML file for each image, and lists of image names for each split.

Where the files are is in `folders.py`, what a list may hold in `split_lists.py`. Coordinates in the files are 1-based
and inclusive; they are converted here and nowhere else. Boxes that reach outside the image, or start at 0, stay as they
are: many published annotations have some, and evaluation must use what is in the file. A box with `xmin = xmax` is one
pixel wide.
"""

import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from ...boxes import UNKNOWN_SIZE, half_open_to_inclusive, inclusive_to_half_open
from ...datasets.annotated_objects import LONGEST_SIDE, AnnotatedObject, checked_box, read_flag, read_size, to_truth
from ...datasets.dataset import Dataset, names_seen
from ...datasets.split_lists import listed_name, read_split_list
from ...diagnostics import OnProblem, Unusable, cut, refuse, skipping
from ...errors import DataError
from ...files.atomic import write_atomically
from ...files.xml_files import parse_xml
from ...images.image_files import existing_name, size_if_there, unique_stems
from ...records import GroundTruth
from ...values import number_of, shown
from .folders import FOLDERS, VocFolder, all_annotations, find_voc

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_SUFFIXES = (".jpg", ".JPG", ".jpeg", ".JPEG", ".png", ".PNG", ".bmp", ".webp", ".tif", ".tiff")
# What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_voc(root: str | Path, split: str, year: int | str | None = None, on_problem: OnProblem = refuse) -> Dataset:
    """Read one split of a data set, of a `year` where the root has those of several years.

    Where there is no annotation at all but the images are there, it is a test set: no object is known.
    """
    found = find_voc(Path(root), split, year)
    listed = _annotation_files(found)
    if listed and not any(is_file(path) for _, path in listed):
        images = tuple(unannotated(_own_image(found.images, name)) for name, _ in listed)
        if any(is_file(found.images / truth.file) for truth in images):
            return Dataset(f"{found.name} {split}", (), images, found.images, annotated=False)
    read = ((name, read_voc_annotation(path, on_problem=on_problem)) for name, path in listed)
    images = tuple(
        placed(truth, found.images, _image_file(found, name, truth.file)) for name, truth in read if truth is not None
    )
    return Dataset(f"{found.name} {split}", _classes(images, found), images, found.images)


def _classes(images: Sequence[GroundTruth], found: VocFolder) -> tuple[str, ...]:
    """The names that are seen, in VOC's order if all are its own; of VOC's own data all of its classes."""
    names = names_seen(images)
    if not names or not {*names} <= {*VOC_CLASSES}:
        return names
    return (
        VOC_CLASSES if re.fullmatch(r"VOC\d{4}", found.name) else tuple(name for name in VOC_CLASSES if name in names)
    )


def read_voc_annotation(
    path: str | Path, file: str | None = None, on_problem: OnProblem = refuse
) -> GroundTruth | None:
    """Read one image's XML file; `file` is the image's name when the one inside the XML is not to be used.

    What cannot be used is left out if `on_problem` returns; None where that is the whole file. An unknown size is 0.
    """
    path = Path(path)
    with skipping(on_problem):
        root = parse_xml(path)
        if root.tag != "annotation":
            what = f"the outermost element is <{root.tag}>: a VOC annotation has <annotation>"
            raise Unusable("file that is no annotation", str(path), what)
        size = read_size(root.findtext("size/width"), root.findtext("size/height"), str(path), on_problem)
        stated = (root.findtext("filename") or "").strip() or f"{path.stem}.jpg"
        return to_truth(file or stated, size, list(_read_objects(root, path, on_problem)))


def placed(truth: GroundTruth, images: Path, file: str) -> GroundTruth:
    """An annotation as that of a file below `images`, whose size it takes where it states none."""
    width, height = truth.size if all(truth.size) else size_if_there(images / file)
    return replace(truth, file=file, width=width, height=height)


def unannotated(file: str) -> GroundTruth:
    """An image of a test set, of which no object is known."""
    return to_truth(file, UNKNOWN_SIZE, ())


def write_voc_truth(data: Dataset, folder: Path, split: str) -> None:
    """Write `Annotations/` and the list of the split; the images belong into `JPEGImages/`, as the data set names them.

    The order of the classes, areas and those classes that are ignored in an image are lost.
    """
    stems = unique_stems([truth.file for truth in data.images])
    if odd := [stem for stem in stems if "\n" in stem or "\r" in stem]:
        raise DataError(f"{cut(odd[0])!r}: a list of images cannot hold a line break; rename the file")
    for truth, stem in zip(data.images, stems, strict=True):
        write_voc_annotation(truth, folder / "Annotations" / f"{stem}.xml")
    write_atomically(folder / "ImageSets" / "Main" / f"{split}.txt", "".join(f"{stem}\n" for stem in stems))


def write_voc_annotation(truth: GroundTruth, path: str | Path) -> None:
    """Write one image's XML file, for `read_voc_annotation`; what is to be ignored, as crowds, is difficult."""
    # A reader takes the image's name from here only where no file has that of the XML, so a lossy one does no harm.
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = _NOT_XML.sub("\ufffd", truth.file)
    size = ElementTree.SubElement(root, "size")
    for tag, value in (("width", truth.width), ("height", truth.height), ("depth", 3)):
        ElementTree.SubElement(size, tag).text = str(value)
    flags = truth.truncated, truth.difficult | truth.crowd | truth.ignore
    for box, label, truncated, difficult in zip(
        half_open_to_inclusive(truth.boxes), truth.labels.tolist(), *flags, strict=True
    ):
        if _NOT_XML.search(label) or label != label.strip() or not label:
            raise DataError(f"{path}: the class name {label!r} cannot be written in XML; rename the class")
        element = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(element, "name").text = label
        ElementTree.SubElement(element, "truncated").text = str(int(truncated))
        ElementTree.SubElement(element, "difficult").text = str(int(difficult))
        bndbox = ElementTree.SubElement(element, "bndbox")
        for tag, value in zip(_CORNERS, box.tolist(), strict=True):
            ElementTree.SubElement(bndbox, tag).text = repr(value).removesuffix(".0")
    ElementTree.indent(root, "\t")
    write_atomically(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=False) + b"\n")


def _annotation_files(found: VocFolder) -> list[tuple[str, Path]]:
    if found.listed is None:
        files = all_annotations(found.annotations)
        return [(posixpath.splitext(file)[0], found.annotations / file) for file in files]

    def exists(name: str) -> bool:
        return is_file(_annotation(found, name))

    def has_image(name: str) -> bool:
        return is_file(found.images / _own_image(found.images, name))

    lines = read_split_list(found.listed, exists)
    names = [listed_name(line, exists, FOLDERS) for line in lines]
    if not any(map(exists, names)):
        names = [listed_name(line, has_image, FOLDERS) for line in lines]
    return [(name, _annotation(found, name)) for name in names]


def _image_file(found: VocFolder, name: str, stated: str) -> str:
    """The image's path below the folder of images: that of the annotation's name, as the devkit has it.

    Where there is none it is the file that the XML states, unless that has an annotation of its own.
    """
    file = _own_image(found.images, name)
    if is_file(found.images / file) or not os.path.isdir(found.images):
        return file
    below, base = posixpath.dirname(name), re.split(r"[\\/]", stated)[-1]
    for each in (posixpath.join(below, stated), posixpath.join(below, base), stated, base):
        other = existing_name(each, found.images)
        if other and is_file(found.images / other) and not is_file(_annotation(found, posixpath.splitext(other)[0])):
            return other
    return file


def _own_image(images: Path, name: str) -> str:
    """The image of a name, in letters of another case too if it has to be; NAME.jpg where there is none."""
    file = find_image(images, name, _SUFFIXES)
    if is_file(images / file) or not os.path.isdir(images):
        return file
    there = (existing_name(f"{name}{suffix}", images) for suffix in _SUFFIXES if suffix.islower())
    return next(filter(None, there), file)


def _annotation(found: VocFolder, name: str) -> Path:
    return found.annotations / f"{name}.xml"


def find_image(images: Path, name: str, suffixes: Sequence[str]) -> str:
    """The name with the first of the suffixes for which the file exists, or with the first where none does."""
    return next((f"{name}{suffix}" for suffix in suffixes if is_file(images / f"{name}{suffix}")), name + suffixes[0])


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name from a list may be too long for one, or hold what none can."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _read_objects(root: ElementTree.Element, path: Path, on_problem: OnProblem) -> Iterator[AnnotatedObject]:
    for i, element in enumerate(root.findall("object"), 1):
        with skipping(on_problem):
            yield _read_object(element, f"{path}: object {i}", on_problem)


def _read_object(element: ElementTree.Element, owner: str, on_problem: OnProblem) -> AnnotatedObject:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise Unusable("object without a name", owner, "has no <name>", "give its class")
    owner = f"{owner} ({name})"
    corners = checked_box([_number(element, f"bndbox/{tag}", owner) for tag in _CORNERS], owner, _CORNERS)
    flags = {tag: read_flag(element.findtext(tag), tag, owner, on_problem) for tag in ("difficult", "truncated")}
    return AnnotatedObject(name, inclusive_to_half_open([corners])[0].tolist(), **flags)


def _number(element: ElementTree.Element, tag: str, owner: str) -> float:
    text = element.findtext(tag)
    if text is None:
        what, fix = f"has no <{tag}>", "add it or export this annotation again"
        raise Unusable("number that is missing", owner, what, fix)
    value = number_of(text)
    if not abs(value) < LONGEST_SIDE:  # NaN is not
        raise Unusable("number that is none", owner, f"<{tag}> is {shown(text)}: need a number of pixels")
    return value
