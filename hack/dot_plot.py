"""A plot of measured values as SVG: a line for each name, a dot for each value. Pure."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, LINE, LEFT, RIGHT = 900, 34, 260, 40  # in its own units
_FONT = 'font-family="sans-serif" font-size="13"'


def dot_plot(lines: Sequence[tuple[str, Sequence[float]]], unit: str, marks: int) -> str:
    """Draw lines of (name, values of 0 and more) over an axis from 0 with at most `marks` round numbers beyond it."""
    most = max((value for _, values in lines for value in values), default=1.0)
    step = next(
        size for size in (digit * 10**power for power in range(12) for digit in (1, 2, 5)) if most / size <= marks
    )
    scale = (WIDTH - LEFT - RIGHT) / max(most, step)
    height = LINE * (len(lines) + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {_FONT}>',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for mark in range(0, int(most) + 1, step):
        x = LEFT + mark * scale
        parts.append(f'<line x1="{x:.1f}" y1="{LINE / 2:.0f}" x2="{x:.1f}" y2="{height - LINE}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - LINE / 2:.0f}" text-anchor="middle">{mark:,}{unit}</text>')
    for number, (name, values) in enumerate(lines, start=1):
        y = number * LINE
        parts.append(f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{name}</text>')
        parts += [
            f'<circle cx="{LEFT + value * scale:.1f}" cy="{y}" r="5" fill="#1f77b4" fill-opacity="0.5"/>'
            for value in values
        ]
    return "\n".join([*parts, "</svg>", ""])
