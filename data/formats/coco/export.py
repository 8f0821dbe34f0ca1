"""COCO's JSON file, written: one layout for annotations and for detections."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...files.atomic import write_atomically
from ...records import GroundTruth, ImageDetections


def write_coco_file(
    path: str | Path,
    description: str,
    images: Sequence[tuple[GroundTruth | ImageDetections, int | str]],
    category_ids: Mapping[str, int | str],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Write images with their ids, the ids of the categories by name, and annotations, which are numbered here."""
    content = {
        "info": {"description": description},  # COCO's own reader fails on files without it
        "licenses": [],
        "images": [
            {"id": number, "file_name": image.file, "width": image.width, "height": image.height}
            for image, number in images
        ],
        "categories": [{"id": number, "name": name} for name, number in category_ids.items()],
        # Ids start at 1: COCO's own evaluator takes an id of 0 for "not matched".
        "annotations": [{"id": number, **row} for number, row in enumerate(rows, 1)],
    }
    write_atomically(path, json.dumps(content) + "\n")
