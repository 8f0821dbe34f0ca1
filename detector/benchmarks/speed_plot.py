"""The rows of the speed benchmark as one SVG: mAP against regions, and against CPU seconds."""

import math
from collections.abc import Sequence
from html import escape

from .speed import SpeedRow

WIDTH, HEIGHT, MARGIN = 420, 260, 48  # of one plot, pixels
_TEXT = 'font-family="sans-serif" font-size="12"'


def speed_svg(rows: Sequence[SpeedRow]) -> str:
    """Two plots side by side; rows without mAP are left out."""
    rows = [row for row in rows if row.map is not None]
    by_regions = [(float(row.regions), row.map or 0.0, row.method) for row in rows]
    by_seconds = [(row.cpu_seconds, row.map or 0.0, row.method) for row in rows]
    plots = [_plot("regions an image", by_regions, 0), _plot("CPU seconds an image", by_seconds, WIDTH)]
    size = f'width="{2 * WIDTH}" height="{HEIGHT}" viewBox="0 0 {2 * WIDTH} {HEIGHT}"'
    background = '<rect width="100%" height="100%" fill="white"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {_TEXT}>{background}{"".join(plots)}</svg>\n'


def _plot(title: str, points: Sequence[tuple[float, float, str]], left: int) -> str:
    """One plot of mAP over a quantity on a logarithmic axis."""
    if not points:
        return ""
    logs = [math.log(max(x, 1e-6)) for x, _, _ in points]
    low, high = min(logs) - 0.1, max(logs) + 0.1
    bottom, top = math.floor(min(y for _, y, _ in points) * 20) / 20, math.ceil(max(y for _, y, _ in points) * 20) / 20
    top = max(top, bottom + 0.05)

    def at(log: float, y: float) -> tuple[float, float]:
        across = left + MARGIN + (log - low) / (high - low) * (WIDTH - 2 * MARGIN)
        return round(across, 1), round(HEIGHT - MARGIN - (y - bottom) / (top - bottom) * (HEIGHT - 2 * MARGIN), 1)

    parts = [f'<text x="{left + WIDTH / 2}" y="{HEIGHT - 10}" text-anchor="middle">{escape(title)}</text>']
    parts.append(f'<text x="{left + 8}" y="{MARGIN - 16}">mAP</text>')
    for step in range(round((top - bottom) / 0.05) + 1):
        value = bottom + 0.05 * step
        _, y = at(low, value)
        line = f'x1="{left + MARGIN}" x2="{left + WIDTH - MARGIN}" y1="{y}" y2="{y}"'
        parts.append(f'<line {line} stroke="#ddd"/><text x="{left + 8}" y="{y + 4}">{value:.2f}</text>')
    for log, (x, y, name) in zip(logs, points, strict=True):
        across, down = at(log, y)
        number = f"{x:,.0f}" if x >= 100 else f"{x:.3g}"
        label = f"{name}: mAP {y:.3f} at {number} {title}"
        parts.append(f'<circle cx="{across}" cy="{down}" r="4" fill="#0072b2"><title>{escape(label)}</title></circle>')
        words = [(number, down - 7), ("" if name.endswith("regions") else name, down + 14)]
        for text, height in words:
            parts.append(f'<text x="{across}" y="{height}" font-size="9" text-anchor="middle">{escape(text)}</text>')
    return "".join(parts)
