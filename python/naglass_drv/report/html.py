"""Write sections as one self-contained HTML page: figures inline, nothing loaded from outside.

The only scripts are those shipped for the interactive view; the policy of the page allows them by hash.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from ..paths import data_file
from ..products import COUNTED, NOT_ESTIMATED, Quantity
from ..wording import span, with_error, without_error
from .numbers import Figure, Fold, Link, Notice, Section, Table, View, leaves

_STYLE = """
:root { --ink: #1b1f24; --soft: #5b6570; --line: #d9dee3; --paper: #ffffff;
  --wash: #f5f7f9; --accent: #0b5c8f; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--wash);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 28px 36px 60px; background: var(--paper);
  border-left: 1px solid var(--line); border-right: 1px solid var(--line); }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 40px 0 10px; padding-top: 14px; border-top: 1px solid var(--line); }
p { margin: 8px 0; max-width: 78ch; }
p.lead { color: var(--soft); margin: 0; }
nav { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 14px 0 6px; font-size: 14px; }
nav a { color: var(--accent); text-decoration: none; }
nav a:hover { text-decoration: underline; }
figure { margin: 18px 0; }
figure img { max-width: 100%; height: auto; display: block; }
.notice { font-size: 14px; }
figcaption, caption { color: var(--soft); font-size: 13.5px; text-align: left; max-width: 84ch; }
figcaption { margin-top: 4px; }
caption { caption-side: top; padding-bottom: 4px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 14px 0; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; border-bottom: 1.5px solid var(--ink); padding: 4px 14px 4px 0; }
td { border-bottom: 1px solid var(--line); padding: 4px 14px 4px 0; vertical-align: top;
  overflow-wrap: break-word; }
td.number, td.short { white-space: nowrap; }
td .unit { color: var(--soft); }
.notice { border-left: 5px solid; padding: 9px 14px; margin: 14px 0; max-width: 84ch; }
.notice.good { border-color: #00795c; background: #e8f5f1; }
.notice.bad { border-color: #b00020; background: #fdecee; }
.notice.note { border-color: #8a6d00; background: #fbf5df; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12.5px; overflow-wrap: anywhere; }
details { margin: 10px 0; }
summary { cursor: pointer; color: var(--accent); }
section > details > summary { list-style: none; border-top: 1px solid var(--line); margin-top: 18px; }
section > details > summary::before { content: "▸ "; font-size: 15px; }
section > details[open] > summary::before { content: "▾ "; }
section > details > summary h2 { display: inline-block; border: none; margin: 6px 0; padding: 0; color: var(--ink); }
.view { border: 1px solid var(--line); padding: 2px 10px; }
.stage { position: relative; width: 100%; height: 440px; }
.controls { display: flex; flex-wrap: wrap; gap: 4px 14px; margin: 6px 0; font-size: 13.5px; align-items: center; }
footer { color: var(--soft); font-size: 13px; margin-top: 40px; border-top: 1px solid var(--line);
  padding-top: 10px; }
@media print { body { background: none; } main { border: none; padding: 0; }
  figure, tr { break-inside: avoid; } }
"""

# notes of numbers that are known to their last digit
_EXACT = ("set", "exact", COUNTED)
# characters of a cell that is not broken into lines, so that longer ones are
_SHORT = 24
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_SCRIPTS = ("3Dmol-min.js", "viewer.js")


def page(title: str, lead: Sequence[str], sections: Sequence[Section], footer: str) -> str:
    """The whole page. All incoming text is escaped; only this module writes markup."""
    above = "".join(f'<p class="lead">{escape(line)}</p>' for line in lead)
    links = "".join(f'<a href="#{escape(s.anchor)}">{escape(s.title)}</a>' for s in sections)
    body = "".join(_section(section) for section in sections)
    scenes = [scene for s in sections for view in leaves(s.blocks, View) for scene in view.scenes]
    scripts, policy = _scripts(scenes) if scenes else ("", _POLICY)
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>\n"
        f"<h1>{escape(title)}</h1>{above}\n"
        f"<nav>{links}</nav>\n{body}\n<footer>{escape(footer)}</footer>\n</main>{scripts}</body></html>\n"
    )


def _scripts(scenes: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The data of the views, the shipped scripts that draw them, and the policy that allows only these."""
    # the text of a script element ends at the first "</", so the data must not contain markup
    data = json.dumps(scenes, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e")
    data = data.replace("&", "\\u0026")
    sources = [data_file("report", "vendor", name).read_text(encoding="utf-8") for name in _SCRIPTS]
    digests = [base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() for source in sources]
    policy = f"{_POLICY}; script-src " + " ".join(f"'sha256-{digest}'" for digest in digests)
    elements = "".join(f"<script>{source}</script>\n" for source in sources)
    return f'\n<script type="application/json" id="scenes">{data}</script>\n{elements}', policy


def _section(section: Section) -> str:
    blocks = "\n".join(_block(block) for block in section.blocks)
    heading = f"<h2>{escape(section.title)}</h2>"
    body = f"<details><summary>{heading}</summary>\n{blocks}</details>" if section.folded else f"{heading}\n{blocks}"
    return f'<section id="{escape(section.anchor)}">{body}</section>\n'


def _block(block) -> str:
    if isinstance(block, Figure):
        return _figure(block)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Notice):
        head = f"<strong>{escape(block.head)}</strong> " if block.head else ""
        return f'<div class="notice {escape(block.kind)}">{head}{escape(block.text)}</div>'
    if isinstance(block, Fold):
        inner = "\n".join(_block(part) for part in block.blocks)
        return f"<details><summary>{escape(block.title)}</summary>\n{inner}</details>"
    if isinstance(block, View):
        return (
            f'<div class="view"><div class="stage" hidden></div><div class="still">{_block(block.picture)}</div></div>'
        )
    return f"<p>{escape(block)}</p>"


def _figure(figure: Figure) -> str:
    data = base64.b64encode(figure.svg).decode()
    return (
        f'<figure><img alt="{escape(figure.caption)}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
    )


def _table(table: Table) -> str:
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    head = f"<thead><tr>{head}</tr></thead>" if any(table.head) else ""
    rows = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in table.rows)
    return f'<div class="scroll"><table>{caption}{head}<tbody>{rows}</tbody></table></div>'


def _cell(cell) -> str:
    if isinstance(cell, Quantity):
        unit = "" if cell.unit == "1" else f' <span class="unit">{escape(cell.unit)}</span>'
        told = cell.note not in ("", COUNTED, NOT_ESTIMATED)
        note = f' <span class="unit">({escape(cell.note)})</span>' if told else ""
        within = f' <span class="unit">(95 %: {escape(span(*cell.interval))})</span>' if cell.interval else ""
        value = with_error(cell.value, cell.error) if cell.error or cell.note in _EXACT else without_error(cell.value)
        return f'<td class="number">{escape(value)}{unit}{note}{within}</td>'
    if isinstance(cell, Link):
        return f'<td><a href="{escape(quote(cell.target))}">{escape(cell.text)}</a></td>'
    text = str(cell)
    start = '<td class="short">' if len(text) <= _SHORT else "<td>"
    return f"{start}{escape(text)}</td>"
