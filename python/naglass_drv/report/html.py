"""Sections to one self-contained HTML page: figures inline, no scripts, nothing fetched from outside."""

import base64
from collections.abc import Sequence
from html import escape

from .numbers import Figure, Notice, Number, Section, Table, quantity

_STYLE = """
:root { --ink: #1b1f24; --soft: #5b6570; --line: #d9dee3; --paper: #ffffff;
  --wash: #f5f7f9; --accent: #0b5c8f; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--wash);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 940px; margin: 0 auto; padding: 28px 36px 60px; background: var(--paper);
  border-left: 1px solid var(--line); border-right: 1px solid var(--line); }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 40px 0 10px; padding-top: 14px; border-top: 1px solid var(--line); }
p { margin: 8px 0; max-width: 78ch; }
p.lead { color: var(--soft); margin-top: 0; }
nav { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 14px 0 6px; font-size: 14px; }
nav a { color: var(--accent); text-decoration: none; }
nav a:hover { text-decoration: underline; }
figure { margin: 18px 0; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption, caption { color: var(--soft); font-size: 13.5px; text-align: left; max-width: 84ch; }
figcaption { margin-top: 4px; }
caption { caption-side: top; padding-bottom: 4px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 14px 0; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; border-bottom: 1.5px solid var(--ink); padding: 4px 14px 4px 0; }
td { border-bottom: 1px solid var(--line); padding: 4px 14px 4px 0; vertical-align: top;
  overflow-wrap: anywhere; }
td.number, td:first-child { white-space: nowrap; }
td .unit { color: var(--soft); }
.notice { border-left: 5px solid; padding: 9px 14px; margin: 14px 0; max-width: 84ch; }
.notice.good { border-color: #00795c; background: #e8f5f1; }
.notice.bad { border-color: #b00020; background: #fdecee; font-weight: 600; }
.notice.note { border-color: #8a6d00; background: #fbf5df; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12.5px; overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: 13px; margin-top: 40px; border-top: 1px solid var(--line);
  padding-top: 10px; }
@media print { body { background: none; } main { border: none; padding: 0; }
  figure, tr { break-inside: avoid; } }
"""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(title: str, lead: str, sections: Sequence[Section], footer: str) -> str:
    """The whole page. Every text that comes in is escaped; only this module writes markup."""
    links = "".join(f'<a href="#{escape(s.anchor)}">{escape(s.title)}</a>' for s in sections)
    body = "".join(_section(section) for section in sections)
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>\n"
        f'<h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>\n<nav>{links}</nav>\n'
        f"{body}\n<footer>{escape(footer)}</footer>\n</main></body></html>\n"
    )


def _section(section: Section) -> str:
    blocks = "\n".join(_block(block) for block in section.blocks)
    return f'<section id="{escape(section.anchor)}"><h2>{escape(section.title)}</h2>\n{blocks}</section>\n'


def _block(block) -> str:
    if isinstance(block, Figure):
        data = base64.b64encode(block.svg).decode()
        return (
            f'<figure><img alt="{escape(block.caption)}" src="data:image/svg+xml;base64,{data}">'
            f"<figcaption>{escape(block.caption)}</figcaption></figure>"
        )
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Notice):
        return f'<div class="notice {escape(block.kind)}">{escape(block.text)}</div>'
    return f"<p>{escape(block)}</p>"


def _table(table: Table) -> str:
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    head = f"<thead><tr>{head}</tr></thead>" if any(table.head) else ""
    rows = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in table.rows)
    return f'<div class="scroll"><table>{caption}{head}<tbody>{rows}</tbody></table></div>'


def _cell(cell) -> str:
    if isinstance(cell, Number):
        unit = "" if cell.unit == "1" else f' <span class="unit">{escape(cell.unit)}</span>'
        return f'<td class="number">{escape(quantity(cell.value, cell.err))}{unit}</td>'
    return f"<td>{escape(str(cell))}</td>"
