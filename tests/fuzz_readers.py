"""Random changes of valid files, for every reader of the package: `python tests/fuzz_readers.py 100000 [SEED [NAMES]]`.

Each reader works in a child process with limits of memory and time. What it may do is return, or raise a `DataError`,
`UsageError` or `SetupError` of at most 2,000 characters, within 5 seconds; all else is printed with the input's file.
`test_fuzz_readers.py` runs a few inputs with the other tests, and 25,000 of each reader with `-m fuzz`.
"""

import io
import json
import multiprocessing
import random
import resource
import struct
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inception_rcnn.data.classification.webdataset_shards import read_shards
from inception_rcnn.data.datasets.dataset import Dataset
from inception_rcnn.data.datasets.split_lists import read_split_list
from inception_rcnn.data.errors import InceptionRcnnError
from inception_rcnn.data.files.tensor_files import CHECKSUM
from inception_rcnn.data.formats.coco.annotations import read_coco
from inception_rcnn.data.formats.ilsvrc.annotations import read_ilsvrc
from inception_rcnn.data.formats.label_studio.tasks import read_label_studio
from inception_rcnn.data.formats.predictions import read_predictions
from inception_rcnn.data.formats.tables import read_csv_truth, read_jsonl_truth
from inception_rcnn.data.formats.voc.annotations import read_voc
from inception_rcnn.data.formats.yolo.annotations import read_yolo
from inception_rcnn.data.images.decoding import read_image
from inception_rcnn.data.images.image_files import image_size
from inception_rcnn.data.records import GroundTruth, Proposals, Stages
from inception_rcnn.data.stores.detections_jsonl import read_ledger
from inception_rcnn.data.stores.feature_store import RegionFeatures, open_features, write_shard
from inception_rcnn.data.stores.proposal_files import read_proposal_file
from inception_rcnn.data.stores.proposal_writers import write_proposals
from inception_rcnn.data.stores.stage_files import read_stages, write_stages

MEMORY = 8 * 2**30  # bytes of addresses, of which libraries take some
RESIDENT = 2**30  # bytes more than before
SECONDS, PATIENCE = 5, 20  # that an input may take; after which the child is killed
LONGEST = 2000  # characters of a message

NUMBERS = ("0", "-1", "1e309", "NaN", "-0.0", "1e-9", "99999999999999999999", "9" * 5000, "0x10", "²", "", "null", "[]")
BYTES = (
    b"\0",
    b"\xff",
    b"\n",
    b"\r\n",
    b",",
    b'"',
    b"{",
    b"[",
    b"<",
    b"&#0;",
    b"\xef\xbb\xbf",
    b"\\",
    b"\xed\xb3\xbf",
    b"../",
)
VALUES = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**40, 0.5, -0.0, 1e308, 1e-320, float("nan"), float("inf"), "", " "),
    *("cat", "1", "1.5", "nan", "a" * 5000, "\0", "\ud800", "../a", "C:\\a.jpg", [], {}, [[]], [None], [1, 2, 3, 4]),
    *([1e300] * 4, {"a": 1}, {"id": 1}, [{"id": 1}], ["cat", "cat"]),
)
WORDS = (0, 1, 4, 14, 15, 127, 255, 2**15, 2**16, 2**30, 2**31, 2**32 - 1)


@dataclass(frozen=True)
class Reader:
    """Files below a folder, the one of them that is changed, and what reads it there."""

    changed: str
    files: dict[str, bytes]
    read: Callable[[Path], Any]
    whole: bool = True  # whether the file can be read as it is


def readers() -> dict[str, Reader]:
    return {**dict(_texts()), **dict(_predictions()), **dict(_binaries()), **dict(_logs())}


def _texts() -> Iterator[tuple[str, Reader]]:
    image = _image("JPEG")
    xml = (
        b'<?xml version="1.0"?><annotation><filename>a.jpg</filename><size><width>40</width><height>30</height></size>'
        b"<object><name>cat</name><difficult>0</difficult><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax>"
        b"<ymax>20</ymax></bndbox></object><object><name>n02121620</name><bndbox><xmin>5</xmin><ymin>2</ymin>"
        b"<xmax>9</xmax><ymax>20</ymax></bndbox></object></annotation>"
    )
    voc = {"Annotations/a.xml": xml, "ImageSets/Main/val.txt": b"a 1\n", "JPEGImages/a.jpg": image}
    for changed in ("Annotations/a.xml", "ImageSets/Main/val.txt"):
        yield f"voc {changed}", Reader(changed, voc, lambda folder: read_voc(folder, "val"))
    ilsvrc = {
        "Annotations/DET/val/a.xml": xml.replace(b"cat", b"n02084071").replace(b"n02121620", b"n02084071"),
        "Data/DET/val/a.JPEG": image,
    }
    ilsvrc["ImageSets/DET/val.txt"] = b"a 1\n"
    for changed in ("Annotations/DET/val/a.xml", "ImageSets/DET/val.txt"):
        yield f"ilsvrc {changed}", Reader(changed, ilsvrc, lambda folder: read_ilsvrc(folder, "val"))
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 30}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [1.5, 2, 10, 10], "area": 99, "iscrowd": 0}],
        "categories": [{"id": 3, "name": "cat", "supercategory": "none"}],
    }
    files = {"a.json": json.dumps(coco).encode(), "a.jpg": image}
    yield "coco", Reader("a.json", files, lambda folder: read_coco(folder / "a.json", folder))
    yolo = {"data.yaml": b"path: .\nval: images\nnames:\n  0: cat\n  1: dog\n", "images/a.jpg": image}
    yolo["labels/a.txt"] = b"0 0.5 0.5 0.2 0.2\n1 0.1 0.1 0.2 0.1 0.3 0.3\n"
    for changed in ("data.yaml", "labels/a.txt"):
        yield f"yolo {changed}", Reader(changed, yolo, lambda folder: read_yolo(folder / "data.yaml", "val"))
    studio = {"a.json": _tasks("annotations"), "a.jpg": image}
    yield "label studio", Reader("a.json", studio, lambda folder: read_label_studio(folder / "a.json", folder))
    table = b"file,label,x1,y1,x2,y2\na.jpg,cat,1,2,30,20\n"
    yield "csv", Reader("a.csv", {"a.csv": table, "a.jpg": image}, lambda f: read_csv_truth(f / "a.csv", f))
    lines = b'{"file": "a.jpg", "width": 40, "height": 30, "objects": [{"label": "cat", "box": [1, 2, 30, 20]}]}\n'
    yield "jsonl", Reader("a.jsonl", {"a.jsonl": lines, "a.jpg": image}, lambda f: read_jsonl_truth(f / "a.jsonl", f))
    yield "list", Reader("a.txt", {"a.txt": b"a.jpg 1\nb.png\n# c\n"}, lambda f: read_split_list(f / "a.txt"))


def _tasks(kind: str, **more: Any) -> bytes:
    """Tasks of Label Studio with a box each, of what people drew or of predictions."""
    value = {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": ["cat"]}
    region = {"type": "rectanglelabels", "from_name": "label", "to_name": "image", "original_width": 40}
    region |= {"original_height": 30, "value": value, **more}
    return json.dumps([{"id": 1, "data": {"image": "a.jpg"}, kind: [{"result": [region]}]}]).encode()


def _predictions() -> Iterator[tuple[str, Reader]]:
    truth = GroundTruth("a.jpg", 40, 30, np.array([[1.0, 2, 30, 20]]), np.array(["cat"]), np.array([False]))
    data = Dataset("d", ("cat", "dog"), (truth,), Path("."), ("1",), ("1", "2"))
    row = {
        "file": "a.jpg",
        "width": 40,
        "height": 30,
        "detections": [{"label": "cat", "score": 0.5, "box": [1, 2, 30, 20]}],
    }
    ledger = (json.dumps(row) + "\n").encode()
    yield (
        "ledger",
        Reader("detections.jsonl", {"detections.jsonl": ledger}, lambda f: read_ledger(f / "detections.jsonl")),
    )
    samples = {
        "a.jsonl": ledger,
        "a.json": json.dumps([{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]).encode(),
        "a.csv": b"file,label,score,x1,y1,x2,y2\na.jpg,cat,0.5,1,2,30,20\n",
        "comp4_det_val_cat.txt": b"a 0.5 1 2 30 20\n",
        "a.pred": b"1 1 0.5 1 2 30 20\n",
        "whole.json": json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 30}],
                "categories": [{"id": 1, "name": "cat"}],
                "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}],
            }
        ).encode(),
        "tasks.json": _tasks("predictions", score=0.5),
    }
    for name, content in samples.items():
        yield (
            f"predictions {name}",
            Reader(name, {name: content}, lambda f, name=name: read_predictions(f / name, data)),
        )


def _binaries() -> Iterator[tuple[str, Reader]]:
    for name in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF"):
        yield f"image {name}", Reader("a", {"a": _image(name)}, lambda folder: read_image(folder / "a"))
    yield "image size", Reader("a", {"a": _image("JPEG")}, lambda folder: image_size(folder / "a", upright=True))
    boxes = Proposals(np.array([[0.0, 0, 2, 2], [1, 1, 5, 6]]), np.array([1, 0.5]))
    for ending in (".safetensors", ".npz", ".csv", ".json"):
        name = f"p{ending}"
        content = _written(lambda f, n=name: write_proposals(f / n, {"a.jpg": boxes, "b.jpg": boxes}, "m", ()), name)
        yield (
            f"proposals {ending}",
            Reader(name, {name: content}, lambda f, n=name: list(read_proposal_file(f / n).values())),
        )
    for packed in (False, True):
        reader = Reader("p.mat", {"p.mat": _mat(packed)}, lambda f: list(read_proposal_file(f / "p.mat").values()))
        yield f"proposals .mat {packed}", reader
    stages = Stages(boxes.boxes, np.full((2, 2), 0.5), boxes.boxes[:, None], ("cat",), 0.1, 0.3, 9)
    content = _written(lambda f: write_stages(f, "a.jpg", stages), "stages/*")
    yield (
        "stages",
        Reader("stages/a.safetensors", {"stages/a.safetensors": content}, lambda f: list(read_stages(f).values())),
    )
    features = [RegionFeatures("a.jpg", 1, boxes.boxes, np.ones((2, 3), np.float16))]
    content = _written(lambda f: write_shard(f / "f", features, "0"), "f")
    yield "features", Reader("f", {"f": content}, lambda f: list(open_features(f, {"f": ["a.jpg"]}, "0")))
    yield from _networks()


def _networks() -> Iterator[tuple[str, Reader]]:
    import torch

    from inception_rcnn.backbone.training.checkpoints import restore, write_checkpoint
    from inception_rcnn.backbone.weights import read_weights, save_weights
    from inception_rcnn.detector.config import DetectorConfig, read_config, read_hashes

    tensors = {"a.weight": torch.ones(3, 4), "a.bias": torch.zeros(3)}
    content = _written(lambda f: save_weights(f / "w.safetensors", tensors, {"k": "v"}), "w.safetensors")
    yield "weights", Reader("w.safetensors", {"w.safetensors": content}, lambda f: read_weights(f / "w.safetensors"))
    content = _written(lambda f: torch.save(tensors, f / "w.pth"), "w.pth")
    yield "weights .pth", Reader("w.pth", {"w.pth": content}, lambda f: read_weights(f / "w.pth"))
    training = _training()
    content = _written(lambda f: write_checkpoint(f, training), "last.ckpt")
    yield "checkpoint", Reader("last.ckpt", {"last.ckpt": content}, lambda f: restore(f, training))
    blob = b"\x0a\x03a.w\x12\x04Conv\x3a\x1a\x3a\x06\x0a\x04\x01\x01\x02\x02\x2a\x10" + struct.pack("<4f", 1, 2, 3, 4)
    caffe = b"\xa2\x06" + bytes([len(blob)]) + blob
    yield "caffe", Reader("w.caffemodel", {"w.caffemodel": caffe}, lambda f: read_weights(f / "w.caffemodel"))
    config = DetectorConfig(("cat", "dog")).to_json().encode()
    yield (
        "config",
        Reader(
            "config.json",
            {"config.json": config},
            lambda f: (read_config(f / "config.json"), read_hashes(f / "config.json")),
        ),
    )


def _training() -> Any:
    """A small run after a step, as its checkpoint has it."""
    import torch

    from inception_rcnn.backbone.training.checkpoints import State, Training
    from inception_rcnn.backbone.training.log import TrainingLog

    model, log = torch.nn.Linear(2, 1), TrainingLog(None, 9, lambda line: None)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    log.add(0, {"loss": 1.0}, 0.1)
    return Training(model, model, optimizer, State(1, 0.5), log, {"steps": 9, "data": [1, 2]})


def _logs() -> Iterator[tuple[str, Reader]]:
    """What runs leave beside their results."""
    from inception_rcnn.backbone.training.log import TrainingLog
    from inception_rcnn.detector.inference.settings import differences, image_roots, read_settings

    row = json.dumps({"step": 25, "rate": 0.1, "loss": 0.5, "seconds": 1.0, "waiting": 0.0})

    def resume_log(folder: Path) -> None:
        log = TrainingLog(folder, 99, lambda line: None)
        log.go_on(30, {"sums": {"loss": 1.0}, "counts": {"loss": 5}})
        log.add(30, {"loss": 1.0}, 0.1)

    yield "training log", Reader("log.jsonl", {"log.jsonl": f"{row}\n{row}\n".encode()}, resume_log)
    settings = {"detector": 1, "reading": ["a", "b"], "weights_sha256": "0" * 64, "proposals": "x"}
    settings |= {"config": {"classes": ["cat"], "score": 0.3, "modes": ["shared"]}, "images_from": ["/a/"]}
    run = json.dumps({"arguments": [], "settings": settings, "finished": True}).encode()

    def read_run(folder: Path) -> None:
        earlier = read_settings(folder / "run.json")
        image_roots(earlier)
        differences(earlier, settings)

    yield "run.json", Reader("run.json", {"run.json": run}, read_run)
    shard = io.BytesIO()
    with tarfile.open(fileobj=shard, mode="w") as tar:
        for name, content in (("a.jpg", _image("JPEG")), ("a.cls", b"0"), ("b.jpg", _image("JPEG")), ("b.cls", b"1")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))

    def read_all(folder: Path) -> None:
        images = read_shards(folder / "s.tar")
        for index in range(len(images)):
            images.read(index)

    yield "webdataset", Reader("s.tar", {"s.tar": shard.getvalue()}, read_all)


def _image(name: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    options: dict[str, Any] = {"exif": exif} if name in ("JPEG", "PNG", "WEBP", "TIFF") else {}
    Image.fromarray(pixels).resize((40, 30)).save(buffer, name, **options)
    return buffer.getvalue()


def _mat(packed: bool) -> bytes:
    from scipy.io import savemat

    boxes, images = np.empty((2, 1), object), np.empty((2, 1), object)
    boxes[:, 0] = [np.ones((2, 4)), np.ones((1, 4), np.uint16)]
    images[:, 0] = ["000005", "b"]
    buffer = io.BytesIO()
    savemat(buffer, {"boxes": boxes, "images": images}, do_compression=packed)
    return buffer.getvalue()


def _written(write: Callable[[Path], Any], pattern: str) -> bytes:
    """What is written; of tensors without the checksum, for which nearly all changes would be refused."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        content = next(Path(folder).glob(pattern)).read_bytes()
    if CHECKSUM.encode() not in content:
        return content
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    del header["__metadata__"][CHECKSUM]
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def changed(content: bytes, chance: random.Random) -> bytes:
    """The content with one random change, or some: after several, most files do not get past the first check."""
    for _ in range(chance.choice((1, 1, 1, 1, 2, 4))):
        content = chance.choice(_CHANGES)(content, chance.randrange(len(content) + 1), chance)
    return content


def _flip(content: bytes, at: int, chance: random.Random) -> bytes:
    return content[:at] + bytes(byte ^ 1 << chance.randrange(8) for byte in content[at : at + 1]) + content[at + 1 :]


def _cut(content: bytes, at: int, chance: random.Random) -> bytes:
    return content[:at]


def _remove(content: bytes, at: int, chance: random.Random) -> bytes:
    return content[:at] + content[at + chance.randint(1, 20) :]


def _insert(content: bytes, at: int, chance: random.Random) -> bytes:
    return content[:at] + chance.choice(BYTES) * chance.choice((1, 1, 2, 9)) + content[at:]


def _splice(content: bytes, at: int, chance: random.Random) -> bytes:
    start = chance.randrange(len(content) + 1)
    return content[:at] + content[start : start + chance.randint(1, 60)] + content[at:]


def _word(content: bytes, at: int, chance: random.Random) -> bytes:
    packed = struct.pack(chance.choice(("<I", ">I")), chance.choice((*WORDS, chance.getrandbits(32))))
    packed = packed[: chance.choice((1, 2, 4))]
    return content[:at] + packed + content[at + len(packed) :]


def _number(content: bytes, at: int, chance: random.Random) -> bytes:
    """Another number in place of the next one."""
    digits = b"0123456789.-"
    start = next((i for i in range(at, len(content)) if content[i] in digits), len(content))
    end = next((i for i in range(start, len(content)) if content[i] not in digits), len(content))
    return content[:start] + chance.choice(NUMBERS).encode() + content[end:]


def _nest(content: bytes, at: int, chance: random.Random) -> bytes:
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"<a>", b"</a>"), (b"(", b")"), (b"- ", b"")))
    depth = chance.choice((1, 2, 50, 3000, 100_000)) if chance.random() < 0.1 else 2
    return content[:at] + opening * depth + b"1" + closing * depth + content[at:]


def _value(content: bytes, at: int, chance: random.Random) -> bytes:
    """JSON, or lines of it, with another value somewhere, so that it stays JSON; a number's place in other files."""
    line, end, rest = content.partition(b"\n")
    try:
        parsed, end, rest = json.loads(content), b"", b""
    except (ValueError, RecursionError):
        try:
            parsed = json.loads(line)
        except (ValueError, RecursionError):
            return _number(content, at, chance)
    return json.dumps(_with_another_value(parsed, chance)).encode() + end + rest


def _with_another_value(value: Any, chance: random.Random) -> Any:
    if not isinstance(value, dict | list) or not value or chance.random() < 0.1:
        return chance.choice(VALUES)
    key = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
    if chance.random() < 0.1:
        return {name: item for name, item in value.items() if name != key} if isinstance(value, dict) else value[:key]
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[key] = _with_another_value(value[key], chance)  # pyright: ignore[reportArgumentType, reportCallIssue]
    return changed


def _encode(content: bytes, at: int, chance: random.Random) -> bytes:
    """A text in another encoding, or a content that claims one."""
    if chance.random() < 0.3:
        return chance.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0", b"\x1f\x8b")) + content
    return content.decode("latin-1").encode(chance.choice(("utf-16", "utf-8-sig", "utf-32", "utf-16-le")))


_CHANGES = (_flip, _cut, _remove, _insert, _splice, _word, _number, _number, _value, _value, _value, _nest, _encode)


def fuzz(name: str, count: int, seed: int) -> list[str]:
    """What went wrong in `count` inputs of one reader."""
    context, faults, done = multiprocessing.get_context("fork"), [], 0
    while done < count:
        progress = context.Value("q", done)
        queue = context.SimpleQueue()
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            child = context.Process(target=_work, args=(name, done, count, seed, Path(folder), progress, queue))
            child.start()
            last, since = -1, time.monotonic()
            while child.is_alive():
                child.join(0.2)
                while not queue.empty():
                    faults.append(queue.get())
                if progress.value != last:
                    last, since = progress.value, time.monotonic()
                elif time.monotonic() - since > PATIENCE:
                    child.kill()
            while not queue.empty():
                faults.append(queue.get())
            if child.exitcode:
                faults.append(f"{name} #{progress.value} (seed {seed}): the process ended with {child.exitcode}")
        done = progress.value + 1 if child.exitcode else count
        if len(faults) >= 10:
            break
    return faults


def _work(name: str, begin: int, count: int, seed: int, folder: Path, progress: Any, queue: Any) -> None:
    warnings.simplefilter("ignore")
    reader = readers()[name]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for path, content in reader.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    if reader.whole:
        reader.read(folder)
    told: set[str] = set()
    for number in range(begin, count):
        progress.value = number
        fault = _fault(reader, folder, random.Random(f"{seed} {name} {number}"))
        if fault and fault[0] not in told:
            told.add(fault[0])
            queue.put(f"{name} #{number} (seed {seed}): {fault[1]}")


def _fault(reader: Reader, folder: Path, chance: random.Random) -> tuple[str, str] | None:
    """What sort of fault an input shows, and what it was."""
    content = changed(reader.files[reader.changed], chance)
    (folder / reader.changed).write_bytes(content)
    before, start, message = _resident(), time.monotonic(), ""
    try:
        reader.read(folder)
    except InceptionRcnnError as error:
        message = str(error)
    except KeyError as error:
        if error.args and isinstance(error.args[0], str) and error.args[0].endswith(".jpg"):
            return None  # asked for an image that the file no longer names
        return _described(error, content)
    except BaseException as error:
        return _described(error, content)
    if (seconds := time.monotonic() - start) > SECONDS:
        return "slow", f"took {seconds:.1f} s on {content[:200]!r}"
    if (grown := _resident() - before) > RESIDENT:
        return "memory", f"took {grown / 2**20:.0f} MB on {content[:200]!r}"
    return ("message", f"a message of {len(message):,} characters") if len(message) > LONGEST else None


def _described(error: BaseException, content: bytes) -> tuple[str, str]:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} at {frame.filename}:{frame.lineno}"
    return where, f"{where}: {str(error)[:200]} on {content[:200]!r}"


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> int:
    count, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1000, int(sys.argv[2]) if len(sys.argv) > 2 else 0
    names = [name for name in readers() if not sys.argv[3:] or any(word in name for word in sys.argv[3:])]
    total, found = 0, 0
    for name in names:
        start = time.monotonic()
        faults = fuzz(name, count, seed)
        total, found = total + count, found + len(faults)
        sys.stdout.write(f"{name}: {count:,} inputs, {len(faults)} faults, {time.monotonic() - start:.0f} s\n")
        sys.stdout.writelines(f"  {fault}\n" for fault in faults)
        sys.stdout.flush()
    sys.stdout.write(f"{total:,} inputs of {len(names)} readers, {found} faults\n")
    return found > 0


if __name__ == "__main__":
    sys.exit(main())
