"""PASCAL VOC files: an XML file for each picture, and lists of picture names for each split.

A folder holds `Annotations/NAME.xml`, `JPEGImages/NAME.jpg` and `ImageSets/Main/SPLIT.txt`. Coordinates in the files
are 1-based and inclusive; they are converted here and nowhere else. Boxes that reach outside the picture, or start at
0, are kept as they are: many published annotations have some, and evaluation must use what the file says.
"""

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from .boxes import half_open_to_inclusive, inclusive_to_half_open
from .dataset import Dataset, names_seen
from .errors import DataError
from .files import write_atomically
from .records import GroundTruth

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
# Only tried when neither the XML's own file name nor NAME.jpg is there.
_OTHER_SUFFIXES = (".JPG", ".jpeg", ".JPEG", ".png", ".PNG", ".bmp", ".webp", ".tif", ".tiff")
# The lists of one class (`cat_val.txt`) have a second column: 1 has the class, -1 has not, 0 only difficult ones.
_LIST_LINE = re.compile(r"(?P<name>.*\S)\s+(?:-1|0|1)")
# What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_voc(root: str | Path, split: str, year: int | str | None = None) -> Dataset:
    """Read one split: of `root/VOCdevkit/VOC<year>` or `root/VOC<year>` with a year, of `root` itself without."""
    folder = _find_folder(Path(root), year)
    annotations, images = folder / "Annotations", folder / "JPEGImages"
    pictures: list[GroundTruth] = []
    for name in _read_list(folder / "ImageSets" / "Main" / f"{split}.txt", annotations):
        truth = read_voc_annotation(annotations / f"{name}.xml")
        pictures.append(replace(truth, file=_picture_file(images, name, truth.file)))
    names = names_seen(pictures)
    classes = VOC_CLASSES if names and set(names) <= set(VOC_CLASSES) else names
    return Dataset(f"{folder.resolve().name} {split}", classes, tuple(pictures), images)


def read_voc_annotation(path: str | Path, file: str | None = None) -> GroundTruth:
    """Read one picture's XML file; `file` is the picture's name when the one inside the XML is not to be used."""
    path = Path(path)
    root = _parse_xml(path)
    if root.tag != "annotation":
        raise DataError(f"{path}: the outermost element is <{root.tag}>: a VOC annotation has <annotation>")
    objects = [_read_object(element, f"{path}: object {i}") for i, element in enumerate(root.findall("object"), 1)]
    return GroundTruth(
        file=file or (root.findtext("filename") or "").strip() or f"{path.stem}.jpg",
        width=int(_number(root, "size/width", str(path))),
        height=int(_number(root, "size/height", str(path))),
        boxes=inclusive_to_half_open([corners for _, corners, _ in objects]),
        labels=np.array([name for name, _, _ in objects], dtype=np.str_),
        difficult=np.array([difficult for _, _, difficult in objects], dtype=np.bool_),
    )


def write_voc_annotation(truth: GroundTruth, path: str | Path) -> None:
    """Write one picture's XML file; `read_voc_annotation` gives the same objects back."""
    # A reader takes the picture's name from the XML's own where this one does not exist, so a lossy one does no harm.
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = _NOT_XML.sub("\ufffd", truth.file)
    size = ElementTree.SubElement(root, "size")
    for tag, value in (("width", truth.width), ("height", truth.height), ("depth", 3)):
        ElementTree.SubElement(size, tag).text = str(value)
    for box, label, difficult in zip(
        half_open_to_inclusive(truth.boxes), truth.labels.tolist(), truth.difficult, strict=True
    ):
        if _NOT_XML.search(label) or label != label.strip() or not label:
            raise DataError(f"{path}: the class name {label!r} cannot be written in XML; rename the class")
        element = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(element, "name").text = label
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


def _read_list(path: Path, annotations: Path) -> list[str]:
    """The picture names of one split, in the file's order."""
    if not path.is_file():
        splits = sorted(found.stem for found in path.parent.glob("*.txt"))
        raise DataError(f"{path}: no such split; the splits here are: {', '.join(splits) or 'none'}")
    # File names are bytes: surrogateescape carries those that are not UTF-8.
    text = path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    names = [line.strip() for line in text.split("\n") if line.strip()]
    return [_without_column(name, annotations) for name in names]


def _without_column(line: str, annotations: Path) -> str:
    match = _LIST_LINE.fullmatch(line)
    if match is None or (annotations / f"{line}.xml").is_file():  # "holiday 1" can be a name too
        return line
    return match["name"]


def _picture_file(images: Path, name: str, stated: str) -> str:
    """The picture's path below `images`: as the XML states if that exists, else the annotation's name with .jpg."""
    parent = PurePosixPath(name).parent
    if ".." not in PurePosixPath(stated).parts and not PurePosixPath(stated).is_absolute():
        for file in {str(parent / stated): None, stated: None}:
            if _is_file(images / file):
                return file
    if not _is_file(images / f"{name}.jpg"):
        for suffix in _OTHER_SUFFIXES:
            if _is_file(images / f"{name}{suffix}"):
                return f"{name}{suffix}"
    return f"{name}.jpg"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a stated name may be too long for a file, or hold what no file name can
        return False


def _parse_xml(path: Path) -> ElementTree.Element:
    """Parse without ever expanding an entity: only a DOCTYPE can declare one, and no annotation needs it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); is the annotation missing?") from error

    def refuse(*_: object) -> None:
        raise DataError(f"{path}: has a DOCTYPE, which is not read because it can declare entities; remove it")

    try:
        guard = expat.ParserCreate()
        guard.StartDoctypeDeclHandler = refuse
        guard.Parse(data, True)
        return ElementTree.fromstring(data)
    except (expat.ExpatError, ElementTree.ParseError, LookupError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: is not well-formed XML ({error}); export this annotation again") from error


def _read_object(element: ElementTree.Element, owner: str) -> tuple[str, list[float], bool]:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise DataError(f"{owner}: has no <name>; give its class")
    owner = f"{owner} ({name})"
    corners = [_number(element, f"bndbox/{tag}", owner) for tag in _CORNERS]
    xmin, ymin, xmax, ymax = corners
    if xmin > xmax or ymin > ymax:
        raise DataError(f"{owner}: the box is xmin ymin xmax ymax = {corners}: need xmin <= xmax and ymin <= ymax")
    flag = (element.findtext("difficult") or "0").strip() or "0"
    if flag not in ("0", "1"):
        raise DataError(f"{owner}: <difficult> is {flag!r}: need 0 or 1")
    return name, corners, flag == "1"


def _number(element: ElementTree.Element, tag: str, owner: str) -> float:
    text = element.findtext(tag)
    if text is None:
        raise DataError(f"{owner}: has no <{tag}>; add it or export this annotation again")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise DataError(f"{owner}: <{tag}> is {text!r}: need a number")
    return value
