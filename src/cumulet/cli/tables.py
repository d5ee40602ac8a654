"""Tables of text with lines around their cells, as the administration commands print them."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: bool = False) -> str:
    """Cells in the middle of their columns, or at their left."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    line = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    written = [
        "|"
        + "|".join(
            f" {cell.ljust(width) if left else cell.center(width)} " for cell, width in zip(row, widths, strict=True)
        )
        + "|"
        for row in (head, *rows)
    ]
    return "\n".join([line, written[0], line, *written[1:], line])


def boxes(title: str, cells: Sequence[str]) -> str:
    """One column: a title, then cells of several lines."""
    width = max(len(text) for text in (title, *(line for cell in cells for line in cell.split("\n"))))
    line = "+" + "-" * (width + 2) + "+"
    written = [line, f"| {title.ljust(width)} |", line]
    for cell in cells:
        written += [f"| {text.ljust(width)} |" for text in cell.split("\n")]
        written.append(line)
    return "\n".join(written)
