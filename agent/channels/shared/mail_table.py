"""A table of a report as HTML that mail programs show: attributes and inline styles, no style sheet, no picture.

What is too wide for a phone moves sideways by itself, and leaves the rest of the mail as wide as the screen.
"""

from html import escape

from agent.core.table import Table

_LINE = "border-bottom:1px solid #d4d4d8"
_CELL = f"padding:5px 12px 5px 0;{_LINE};font-size:13px;line-height:18px;vertical-align:top"
_HEAD = f"padding:5px 12px 5px 0;{_LINE};font-size:12px;line-height:16px;color:#71717a;font-weight:600"
_TITLE = "margin:20px 0 4px;font-size:16px;line-height:22px"
_NOTE = "margin:6px 0 0;font-size:13px;line-height:18px;color:#71717a"


def html(table: Table) -> str:
    """The section: its title, its rows if there are any, its note."""
    rows = _rows(table) if table.rows else ""
    note = f'<p style="{_NOTE}">{escape(table.note)}</p>' if table.note else ""
    return f'<h2 style="{_TITLE}">{escape(table.title)}</h2>{rows}{note}'


def _rows(table: Table) -> str:
    numeric = table.numeric()
    head = "".join(_cell("th", _HEAD, cell, number) for cell, number in zip(table.headers, numeric, strict=True))
    body = "".join(
        f"<tr>{''.join(_cell('td', _CELL, cell, number) for cell, number in zip(row, numeric, strict=True))}</tr>"
        for row in table.rows
    )
    begin = '<table cellpadding="0" cellspacing="0" border="0" width="100%" style="border-collapse:collapse">'
    return f'<div style="overflow-x:auto">{begin}<tr>{head}</tr>{body}</table></div>'


def _cell(tag: str, style: str, text: str, number: bool) -> str:  # noqa: FBT001 - private and positional
    """One cell. Numbers stay in one line; long texts break where they must, but not into single letters."""
    wrap = "white-space:nowrap" if number else "min-width:80px;word-break:break-word"
    return f'<{tag} align="{"right" if number else "left"}" style="{style};{wrap}">{escape(text)}</{tag}>'
