"""A plot of values over time as SVG: a line for each name. Pure."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT, LEFT, RIGHT, EDGE = 900, 420, 60, 130, 30  # in its own units
_FONT = 'font-family="sans-serif" font-size="13"'
_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b")


def course_plot(lines: Sequence[tuple[str, Sequence[tuple[float, float]]]], units: tuple[str, str]) -> str:
    """Draw lines of (name, points of time and value, both 0 and more) from 0 on; `units` of both axes."""
    across, up = (max((point[axis] for _, points in lines for point in points), default=1.0) or 1.0 for axis in (0, 1))
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - 2 * EDGE

    def place(time: float, value: float) -> tuple[float, float]:
        return LEFT + time / across * width, HEIGHT - EDGE - value / up * height

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {_FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for part in range(5):
        x, y = place(across * part / 4, up * part / 4)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + width}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{up * part / 4:.0f} {units[1]}</text>')
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{across * part / 4:.0f} {units[0]}</text>'
        )
    for number, (name, points) in enumerate(lines):
        colour, y = _COLOURS[number % len(_COLOURS)], EDGE + 18 * number
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 12}" y="{y}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])
