"""PASCAL VOC files: an XML file for each picture, and lists of picture names for each split.

A folder holds `Annotations/NAME.xml`, `JPEGImages/NAME.jpg` and `ImageSets/Main/SPLIT.txt`. Coordinates in the files
are 1-based and inclusive; they are converted here and nowhere else. Boxes that reach outside the picture, or start at
0, are kept as they are: many published annotations have some, and evaluation must use what the file says. A box with
`xmin = xmax` is one pixel wide.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from .boxes import half_open_to_inclusive, inclusive_to_half_open
from .dataset import Dataset, names_seen
from .errors import DataError
from .files import write_atomically
from .objects import Unusable
from .problems import OnProblem, refuse
from .records import GroundTruth

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)

# What a flag says that other tools than VOC's wrote: converters copy "Unspecified" from <pose>.
_FALSE, _TRUE = ("", "0", "false", "no", "unspecified"), ("1", "true", "yes")

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
# All but the first are only tried when neither the XML's own file name nor NAME.jpg is there.
_SUFFIXES = (".jpg", ".JPG", ".jpeg", ".JPEG", ".png", ".PNG", ".bmp", ".webp", ".tif", ".tiff")
_LISTED_SPLITS = 20  # in the message about one that is not there: ILSVRC has hundreds
# The lists of one class (`cat_val.txt`) have a second column: 1 has the class, -1 has not, 0 only difficult ones.
_LIST_LINE = re.compile(r"(?P<name>.*\S)\s+(?:-1|0|1)")
# What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Object(NamedTuple):
    name: str
    corners: list[float]  # as in the file
    difficult: bool
    truncated: bool


def read_voc(root: str | Path, split: str, year: int | str | None = None, on_problem: OnProblem = refuse) -> Dataset:
    """Read one split: of `root/VOCdevkit/VOC<year>` or `root/VOC<year>` with a year, of `root` itself without."""
    folder = _find_folder(Path(root), year)
    annotations, images = folder / "Annotations", folder / "JPEGImages"
    pictures: list[GroundTruth] = []
    for line in read_split_list(folder / "ImageSets" / "Main" / f"{split}.txt"):
        name = _without_column(line, annotations)
        truth = read_voc_annotation(annotations / f"{name}.xml", on_problem=on_problem)
        if truth is not None:
            pictures.append(replace(truth, file=_picture_file(images, name, truth.file)))
    names = names_seen(pictures)
    classes = VOC_CLASSES if names and set(names) <= set(VOC_CLASSES) else names
    return Dataset(f"{folder.resolve().name} {split}", classes, tuple(pictures), images)


def read_voc_annotation(
    path: str | Path, file: str | None = None, on_problem: OnProblem = refuse
) -> GroundTruth | None:
    """Read one picture's XML file; `file` is the picture's name when the one inside the XML is not to be used.

    An object that cannot be used is left out if `on_problem` returns; None where that holds for the whole file.
    """
    path = Path(path)
    try:
        root = _parse_xml(path)
        width, height = (int(_number(root, f"size/{side}", str(path))) for side in ("width", "height"))
    except Unusable as unusable:
        on_problem(unusable.problem)
        return None
    objects = list(_read_objects(root, path, on_problem))
    return GroundTruth(
        file=file or (root.findtext("filename") or "").strip() or f"{path.stem}.jpg",
        width=width,
        height=height,
        boxes=inclusive_to_half_open([one.corners for one in objects]),
        labels=np.array([one.name for one in objects], dtype=np.str_),
        difficult=np.array([one.difficult for one in objects], dtype=np.bool_),
        truncated=np.array([one.truncated for one in objects], dtype=np.bool_),
    )


def write_voc_annotation(truth: GroundTruth, path: str | Path) -> None:
    """Write one picture's XML file; `read_voc_annotation` gives the same objects back."""
    # A reader takes the picture's name from the XML's own where this one does not exist, so a lossy one does no harm.
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = _NOT_XML.sub("\ufffd", truth.file)
    size = ElementTree.SubElement(root, "size")
    for tag, value in (("width", truth.width), ("height", truth.height), ("depth", 3)):
        ElementTree.SubElement(size, tag).text = str(value)
    for box, label, truncated, difficult in zip(
        half_open_to_inclusive(truth.boxes), truth.labels.tolist(), truth.truncated, truth.difficult, strict=True
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


def _find_folder(root: Path, year: int | str | None) -> Path:
    looked = [root / "VOCdevkit" / f"VOC{year}", root / f"VOC{year}"] if year is not None else [root]
    for folder in looked:
        if (folder / "Annotations").is_dir():
            return folder
    years = sorted({found.name for base in (root / "VOCdevkit", root) for found in base.glob("VOC[0-9]*")})
    there = f"; there are {', '.join(years)}: name the year, as in voc:{root}:{years[-1][3:]}:val" if years else ""
    missing = "" if root.is_dir() else f" ({root} does not exist)"
    wanted = " and ".join(str(folder / "Annotations") for folder in looked)
    raise DataError(f"{root}: no VOC data set here{missing}: looked for {wanted}{there}")


def read_split_list(path: Path) -> list[str]:
    """The lines of one split's list that are not blank, in the file's order."""
    if not path.is_file():
        splits = sorted((found.stem for found in path.parent.glob("*.txt")), key=lambda name: (len(name), name))
        more = f" and {len(splits) - _LISTED_SPLITS} more" if len(splits) > _LISTED_SPLITS else ""
        there = ", ".join(splits[:_LISTED_SPLITS]) or "none"
        raise DataError(f"{path}: no such split; the splits here are: {there}{more}")
    # File names are bytes: surrogateescape carries those that are not UTF-8.
    text = path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    return [line.strip() for line in text.split("\n") if line.strip()]


def _without_column(line: str, annotations: Path) -> str:
    match = _LIST_LINE.fullmatch(line)
    if match is None or _is_file(annotations / f"{line}.xml"):  # "holiday 1" can be a name too
        return line
    return match["name"]


def _picture_file(images: Path, name: str, stated: str) -> str:
    """The picture's path below `images`: as the XML states if that exists, else the annotation's name with .jpg."""
    parent = PurePosixPath(name).parent
    if ".." not in PurePosixPath(stated).parts and not PurePosixPath(stated).is_absolute():
        for file in {str(parent / stated): None, stated: None}:
            if _is_file(images / file):
                return file
    return find_picture(images, name, _SUFFIXES)


def find_picture(images: Path, name: str, suffixes: Sequence[str]) -> str:
    """The name with the first of the suffixes for which the file exists, or with the first where none does."""
    return next((f"{name}{suffix}" for suffix in suffixes if _is_file(images / f"{name}{suffix}")), name + suffixes[0])


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a stated name may be too long for a file, or hold what no file name can
        return False


def _parse_xml(path: Path) -> ElementTree.Element:
    """Parse without ever expanding an entity: only a DOCTYPE can declare one, and no annotation needs it."""
    where = str(path)
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: what no file name can hold
        what = f"cannot be read ({getattr(error, 'strerror', error)}); is the annotation missing?"
        raise Unusable("annotation that is missing", where, what) from error

    def refuse_doctype(*_: object) -> None:
        what = "has a DOCTYPE, which is not read because it can declare entities"
        raise Unusable("annotation with a DOCTYPE", where, what, "remove it")

    try:
        guard = expat.ParserCreate()
        guard.StartDoctypeDeclHandler = refuse_doctype
        guard.Parse(data, True)
        root = ElementTree.fromstring(data)
    except (expat.ExpatError, ElementTree.ParseError, LookupError, ValueError) as error:
        what = f"is not well-formed XML ({error})"
        raise Unusable("annotation that is not XML", where, what, "export this annotation again") from error
    if root.tag != "annotation":
        what = f"the outermost element is <{root.tag}>: a VOC annotation has <annotation>"
        raise Unusable("file that is no annotation", where, what)
    return root


def _read_objects(root: ElementTree.Element, path: Path, on_problem: OnProblem) -> Iterator[_Object]:
    for i, element in enumerate(root.findall("object"), 1):
        try:
            yield _read_object(element, f"{path}: object {i}")
        except Unusable as unusable:
            on_problem(unusable.problem)


def _read_object(element: ElementTree.Element, owner: str) -> _Object:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise Unusable("object without a name", owner, "has no <name>", "give its class")
    owner = f"{owner} ({name})"
    corners = [_number(element, f"bndbox/{tag}", owner) for tag in _CORNERS]
    xmin, ymin, xmax, ymax = corners
    if xmin > xmax or ymin > ymax:
        what = f"the box is xmin ymin xmax ymax = {corners}: need xmin <= xmax and ymin <= ymax"
        raise Unusable("box with xmin > xmax or ymin > ymax", owner, what, "draw the box anew or remove the object")
    return _Object(name, corners, _flag(element, "difficult", owner), _flag(element, "truncated", owner))


def _flag(element: ElementTree.Element, tag: str, owner: str) -> bool:
    """A flag that is not there is not set."""
    text = (element.findtext(tag) or "").strip().lower()
    if text not in (*_FALSE, *_TRUE):
        raise Unusable(f"{tag} flag that says neither 0 nor 1", owner, f"<{tag}> is {text!r}: need 0 or 1")
    return text in _TRUE


def _number(element: ElementTree.Element, tag: str, owner: str) -> float:
    text = element.findtext(tag)
    if text is None:
        what, fix = f"has no <{tag}>", "add it or export this annotation again"
        raise Unusable("number that is missing", owner, what, fix)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise Unusable("number that is none", owner, f"<{tag}> is {text!r}: need a number")
    return value
