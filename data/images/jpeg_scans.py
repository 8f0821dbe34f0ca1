"""The scans of a JPEG's bytes, without decoding them: how many, and whether they code all of the image.

A decoder makes up what a cut-off file lacks. Here the markers are followed: an image is coded when each coefficient of
each component has been in a scan down to its last bit. That the last scan itself is whole, only decoding can show:
`ENDS` are what may be put behind it, which gives the same pixels unless some are made of what was put there.
"""

import re
from collections.abc import Iterator

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers of a frame's header
_SCAN, _END = 0xDA, 0xD9
_NEXT_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")  # 00 stands for a byte of data, D0-D7 are restarts
_COEFFICIENTS = 64


def _end(noise: bytes, restart: int) -> bytes:
    """Noise behind every restart marker, as a decoder may be waiting for any of them, and the end marker."""
    return noise + b"".join(bytes((0xFF, 0xD0 + (restart + n) % 8)) + noise for n in range(8)) + b"\xff\xd9"


_NOISES = (b"\xa5\x36\xd1\x4e\x99\x0b\x72\xc8", b"\x5a\x3c\x1d", b"\xde\xad\xbe\x10\x77", b"\x3f\x92\x64\xeb")
# A decoder takes a restart marker one or two ahead of the one it needs for a gap, hence two orders.
ENDS = (b"\xff\xd9", *(_end(noise * 16, 4 * (i % 2)) for i, noise in enumerate(_NOISES)))

_FILLER = 16  # zeros at the end of a file from which they are what a disk's block was filled with, not data


def is_filled_up(content: bytes) -> bool:
    """Whether a file without an end marker ends in zeros that are no data, as where a download was broken off."""
    return content.endswith(bytes(_FILLER)) and not content.rstrip(b"\0").endswith(b"\xff\xd9")


def without_filler(content: bytes) -> bytes:
    """The bytes without such zeros, and without half an end marker."""
    return (content.rstrip(b"\0") if is_filled_up(content) else content).removesuffix(b"\xff")


def count_scans(content: bytes) -> int:
    return sum(marker == _SCAN for marker, _ in _segments(content))


def codes_all(content: bytes) -> bool:
    """Whether scans begin in these bytes for all that the frame's header promises."""
    missing: dict[int, list[int]] = {}  # for each component the bits that each coefficient lacks
    for marker, body in _segments(content):
        if marker in _FRAMES and len(body) > 6:
            missing = {body[start]: [_COEFFICIENTS] * _COEFFICIENTS for start in range(6, len(body) - 2, 3)}
        elif marker == _SCAN and len(body) >= 6 and len(body) >= 2 * body[0] + 4:
            first, last, bits = body[2 * body[0] + 1 : 2 * body[0] + 4]
            for component in body[1 : 2 * body[0] : 2]:
                for coefficient in range(first, min(last + 1, _COEFFICIENTS)):
                    missing.get(component, [0] * _COEFFICIENTS)[coefficient] = bits & 15
    return bool(missing) and not any(map(any, missing.values()))


def _segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    position = 2
    while found := _NEXT_MARKER.search(content, position):
        marker, start = found[1][0], found.end()
        if marker == _END:
            return
        length = int.from_bytes(content[start : start + 2], "big")
        yield marker, content[start + 2 : start + max(length, 2)]
        position = start + max(length, 2)
