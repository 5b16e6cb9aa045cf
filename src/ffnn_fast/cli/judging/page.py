"""A report as one page: styles and pictures inside, no script, nothing fetched."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from ffnn_fast import __version__
from ffnn_fast._model.summary import layers
from ffnn_fast.cli import judging

if TYPE_CHECKING:
    from ffnn_fast.cli.judging.report import Picture, Report

TAG = re.compile(r"<[^>]+>")  # in a picture of matplotlib: "<" and ">" of texts are escaped
ID = re.compile(r' id="([^"]*)"')
USED = re.compile(r"#([\w-]+)")
UNWANTED = re.compile(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
SPACES = re.compile(r"\n\s*(?=<)")
STYLE = """
:root { color-scheme: light; --ink: #22303c; --faint: #5b6975; --line: #d8dfe5; --blue: #2f6fb0; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; color: var(--ink);
  background: #fff; font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2.6rem 0 .8rem; padding-top: .7rem; border-top: 2px solid var(--line);
  font-size: 1.2rem; }
p { margin: .3rem 0; max-width: 44rem; }
.on, footer, figcaption, caption { color: var(--faint); }
.pictures { display: flex; flex-wrap: wrap; gap: 1.2rem 2rem; align-items: flex-start; }
figure { margin: 0; max-width: 100%; }
figcaption { max-width: 30rem; font-size: .88rem; }
svg { display: block; max-width: 100%; height: auto; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
.scroll { margin: .8rem 0; max-width: 100%; overflow-x: auto; }
table { border-collapse: collapse; font-size: .93rem; font-variant-numeric: tabular-nums; }
caption { padding: .2rem 0 .4rem; text-align: left; font-size: .88rem; }
th, td { padding: .32rem .9rem .32rem 0; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, .words td { text-align: left; }
thead th { border-bottom: 2px solid var(--ink); white-space: nowrap; }
tbody th { font-weight: 500; max-width: 24rem; overflow-wrap: anywhere; }
.words td { overflow-wrap: anywhere; }
.results { font-size: 1.05rem; }
.results tbody tr:first-child > * { font-weight: 700; color: var(--blue); }
details { margin: .8rem 0; }
summary { cursor: pointer; color: var(--blue); }
footer { margin-top: 3rem; font-size: .85rem; }
@media print { body { max-width: none; } figure, tr { break-inside: avoid; } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(report: Report, drawn: Sequence[Picture]) -> str:
    """The page as text; every text of the user's is escaped."""
    figures: dict[str, list[str]] = {}
    for number, picture in enumerate(drawn, start=1):
        figures.setdefault(picture.part, []).append(_figure(picture, number))
    judged = report.judged
    details = [_details(title, rows) for title, rows in judging.tables(judged)]
    classes = [_table(judging.per_class(judged), "each class")] if judged.classifies else []
    title = escape(report.title)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        f'<head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<style>{STYLE}</style></head>",
        f'<body><header><h1>{title}</h1><p class="on">Judged on {escape(report.on)}.</p></header>',
        "<main>",
        _section("Results", [_table(report.results, "scores", "results")]),
        _section("Learning", [_grid(figures.get("learning", []))]),
        _section("Answers", [_grid(figures.get("answers", [])), *classes, *details]),
        _section("Calibration", [_grid(figures.get("calibration", [])), _coverage(judged)]),
        _section(
            "Network",
            [_grid(figures.get("network", [])), _table(layers(report.network.spec), "layers")],
        ),
        _section("How it was made", [_facts(report.facts)]),
        f"</main><footer>ffnn_fast {escape(__version__)}</footer></body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _section(title: str, parts: Sequence[str]) -> str:
    """Nothing, where there is nothing in it."""
    inside = "\n".join(part for part in parts if part)
    name = title.lower().replace(" ", "-")
    heading = f'<h2 id="{name}">{title}</h2>'
    return f'<section aria-labelledby="{name}">{heading}\n{inside}</section>' if inside else ""


def _grid(figures: Sequence[str]) -> str:
    return f'<div class="pictures">{"".join(figures)}</div>' if figures else ""


def _figure(picture: Picture, number: int) -> str:
    caption = f"<figcaption>{escape(picture.caption)}</figcaption>" if picture.caption else ""
    return f"<figure>{_svg(picture, number)}{caption}</figure>\n"


def _svg(picture: Picture, number: int) -> str:
    """A picture as an element of a page: without what only a file needs, its ids its own."""
    content = io.StringIO()
    picture.figure().savefig(content, format="svg", transparent=True, metadata={"Date": None})
    text = content.getvalue()
    text = SPACES.sub("", UNWANTED.sub("", text[text.index("<svg") :]))
    used = {name for tag in TAG.findall(text) for name in USED.findall(tag)}

    def own(found: re.Match[str]) -> str:
        return f' id="p{number}-{found[1]}"' if found[1] in used else ""

    def clean(found: re.Match[str]) -> str:
        tag = re.sub(r' (xmlns(:\w+)?|version)="[^"]*"', "", found[0])
        tag = ID.sub(own, tag).replace("xlink:href", "href")
        return re.sub(r'(url\(|href=")#', rf"\1#p{number}-", tag)

    label = escape(picture.title)
    return TAG.sub(clean, text).replace("<svg", f'<svg role="img" aria-label="{label}"', 1).strip()


def _table(rows: Sequence[Sequence[str]], caption: str, kind: str = "") -> str:
    """Its first row is the head, its first column names the rows."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in rows[0])
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>\n"
        for row in rows[1:]
    )
    return _scroll(f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>", caption, kind)


def _details(title: str, rows: Sequence[Sequence[str]]) -> str:
    return f"<details><summary>{escape(title)}</summary>{_table(rows, title)}</details>"


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>\n'
        for name, value in facts
    )
    return _scroll(f"<tbody>{rows}</tbody>", "data and options", "words") if rows else ""


def _coverage(judged: judging.Judged) -> str:
    """The share of the rows below each quantile, or in an interval, beside what it should be."""
    found = judging.coverage(judged)
    rows = [(name, f"{should:g}", f"{share:.4f}") for name, (should, share) in found.items()]
    head = ("rows", "should be", "are")
    return _table([head, *rows], "share of the rows whose true value is there") if rows else ""


def _scroll(inside: str, caption: str, kind: str) -> str:
    """A table that a narrow screen scrolls, also by keyboard."""
    name = escape(caption)
    words = f' class="{kind}"' if kind else ""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{name}">'
        f"<table{words}><caption>{name}</caption>\n{inside}</table></div>"
    )
