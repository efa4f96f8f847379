"""A table of the terminal as HTML, for notebooks: no style but its own, readable on light and dark."""

from html import escape

from rich.table import Table

_ROWS = {
    "bold green": "font-weight:bold;background:rgba(46,160,67,0.18)",
    "dim": "opacity:0.6",
    "": "",
}
"""Styles of rows, as terminal.table has them; colours with their own transparency go with any background."""


def table_html(table: Table) -> str:
    """The table with its columns' headers and alignment, and with its rows' styles."""
    aligned = [f"text-align:{column.justify};white-space:nowrap;padding:0.1em 0.5em" for column in table.columns]
    head = "".join(
        f'<th style="{style}">{escape(str(column.header))}</th>'
        for style, column in zip(aligned, table.columns, strict=True)
    )
    rows = zip(table.rows, zip(*(column.cells for column in table.columns), strict=True), strict=True)
    body = "".join(
        f'<tr style="{_ROWS.get(str(row.style or ""), "")}">'
        + "".join(f'<td style="{style}">{escape(str(cell))}</td>' for style, cell in zip(aligned, cells, strict=True))
        + "</tr>"
        for row, cells in rows
    )
    inner = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<table style="color:inherit;border-collapse:collapse">{inner}</table>'
