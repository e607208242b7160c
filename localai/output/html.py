"""Self-contained reports: one HTML page that is built of elements, which escape every text.

    page(
        "Report",
        section("Speed", table(["model", Column("tok/s", right=True)], [["qwen3:8b", "41"]])),
        element("p", "whatever a model said: ", element("code", answer)),
    )

Every text goes through `element`, which escapes it; only a result of `element` counts as markup.
There are no scripts, no styles in attributes and no addresses that a browser would load. `element`
raises ValueError for an element or attribute that could bring one. The page's policy
(`Content-Security-Policy`) forbids them to the browser as well. Charts are SVG made of the same
elements, coloured by the classes `series-1` to `series-6`, `line`, `band` and `axis`.

Light and dark follow the reader's system. On paper, everything that can be unfolded is unfolded.
Pure.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from localai.output.table import Column
from localai.untrusted import sanitize, sanitize_line


class Markup(str):
    """HTML that `element` made, which is not escaped again."""

    __slots__ = ()


Child = str | int | float | None | Iterable["Child"]
"""A text (escaped), markup (taken as it is), a number, several of them, or nothing."""

_VOID: Final = frozenset({"br", "hr", "col", "meta", "wbr"})
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")
_FIT_A_PHONE: Final = 2
"""So many columns stay a table on the narrowest screen."""
# Elements that could run, load or send something. The page's own `style` is made below.
_FORBIDDEN_ELEMENTS: Final = frozenset(
    {"script", "style", "link", "base", "meta", "html", "head", "body", "noscript", "template"}
    | {"iframe", "object", "embed", "frame", "portal", "form", "input", "button", "textarea"}
    | {"select", "img", "image", "picture", "source", "audio", "video", "track"}
    | {"foreignobject", "animate", "set", "use", "feimage"}
)
_FORBIDDEN_ATTRIBUTES: Final = frozenset(
    {"style", "src", "srcset", "srcdoc", "action", "formaction", "data", "ping", "poster"}
    | {"background", "manifest", "http-equiv", "nonce"}
)
_LINK = re.compile(r"#|https://")


def element(name: str, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """The element `name` with its children and attributes.

    An underscore in an attribute's name stands for a hyphen; an underscore at its end is dropped
    (`class_`, `aria_label`). True is an attribute without a value; None and False are left out.
    Raises ValueError for an element or attribute that could run or load anything.
    """
    if not _NAME.fullmatch(name) or name.lower() in _FORBIDDEN_ELEMENTS:
        raise ValueError(f"a report has no element {name!r}")
    return _element(name, children, attributes)


def page(title: str, *body: Child, footer: Child = None) -> str:
    """The whole document. `title` is its heading and the name of the page; `footer` stands at the
    end."""
    policy = f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; base-uri 'none'"
    head = [
        _element("meta", (), {"charset": "utf-8"}),
        _element("meta", (), {"http-equiv": "Content-Security-Policy", "content": policy}),
        _element("meta", (), {"name": "viewport", "content": "width=device-width"}),
        _element("meta", (), {"name": "color-scheme", "content": "light dark"}),
        _element("meta", (), {"name": "referrer", "content": "no-referrer"}),
        _element("title", (sanitize_line(title),), {}),
        Markup(f"<style>{_STYLE}</style>"),
    ]
    content = [
        element("main", element("h1", sanitize_line(title)), body),
        element("footer", footer) if footer is not None else None,
    ]
    document = _element(
        "html",
        (_element("head", head, {}), "\n", _element("body", content, {})),
        {"lang": "en"},
    )
    return f"<!doctype html>\n{document}\n"


def section(heading: str, *content: Child, id: str | None = None) -> Markup:
    """A part of the page under its heading. A link `#id` leads to the part with that `id`."""
    return element("section", element("h2", heading), content, id=id)


def details(summary: Child, *content: Child, open: bool = False) -> Markup:
    """Content that a reader can unfold, without scripts."""
    return element("details", element("summary", summary), content, open=open)


def table(
    columns: Sequence[str | Column], rows: Iterable[Sequence[Child]], *, caption: Child = None
) -> Markup:
    """Rows under their headings. The first cell of each row names the row. A column that is only a
    heading holds texts.

    On a narrow screen a row of more than two columns becomes a block: its name, and below it every
    cell under its own heading. A table that is wider than a wide screen scrolls by itself.
    """

    known = [Column(each) if isinstance(each, str) else each for each in columns]

    def cell(name: str, number: int, content: Child, scope: str | None = None) -> Markup:
        kind, heading = "number" if known[number].right else None, known[number].name
        label = heading if name == "td" and type(heading) is str else None
        return element(name, content, class_=kind, scope=scope, data_label=label or None)

    head = element("tr", [cell("th", n, each.name, "col") for n, each in enumerate(known)])
    lines = [
        element(
            "tr",
            [
                cell("th", n, each, "row") if n == 0 else cell("td", n, each)
                for n, each in enumerate(row)
            ],
        )
        for row in rows
    ]
    whole = element(
        "table",
        element("caption", caption) if caption is not None else None,
        element("thead", head),
        element("tbody", lines),
    )
    kind = "wide rows" if len(known) > _FIT_A_PHONE else "wide"
    return element("div", whole, class_=kind, tabindex="0", role="region", aria_label="table")


def preformatted(text: str) -> Markup:
    """A text as it is, with its lines and spaces; long lines are wrapped. Right-to-left text in it
    does not affect the text around it."""
    return element("pre", text, dir="auto")


def _element(
    name: str, children: Iterable[Child], attributes: dict[str, str | float | bool | None]
) -> Markup:
    opening = f"<{name}{''.join(_attributes(attributes))}>"
    if name in _VOID:
        return Markup(opening)
    return Markup(f"{opening}{''.join(_pieces(children))}</{name}>")


def _attributes(attributes: dict[str, str | float | bool | None]) -> Iterable[str]:
    for written, value in attributes.items():
        if value is None or value is False:
            continue
        name = written.rstrip("_").replace("_", "-")
        text = "" if value is True else str(value)
        if not _NAME.fullmatch(name) or name.lower().startswith("on"):
            raise ValueError(f"a report has no attribute {name!r}")
        if name.lower() in _FORBIDDEN_ATTRIBUTES and name != "http-equiv":
            raise ValueError(f"a report has no attribute {name!r}")
        if name.lower() == "href" and not _LINK.match(text):
            raise ValueError(f"a report does not link to {text!r}")
        yield f' {name}="{escape(sanitize_line(text))}"'


def _pieces(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Markup):
            yield child
        elif isinstance(child, str):
            yield escape(sanitize(child), quote=False)
        elif isinstance(child, int | float):
            yield str(child)
        else:
            yield from _pieces(child)


# Without an address in it: no font, no picture. The colours of series are Okabe and Ito's, which
# stay apart for whoever sees red and green alike; text has a contrast of 7:1 in both schemes.
_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1a1a1a;--soft:#4d4d4d;--paper:#fff;--panel:#f4f4f2;
--rule:#d0d0cc;--good:#00573f;--bad:#8f2500;--s1:#0072b2;--s2:#d55e00;--s3:#009e73;--s4:#b0628e;
--s5:#8a7a00;--s6:#3a8fb7}
@media(prefers-color-scheme:dark){:root{--ink:#ececec;--soft:#b8b8b8;--paper:#161616;
--panel:#222;--rule:#444;--good:#5fd3ac;--bad:#ff9d76;--s1:#56b4e9;--s2:#f08b45;--s3:#3ecf9d;
--s4:#d99cc2;--s5:#f0e442;--s6:#8fd0f0}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main,footer{max-width:80rem;margin:0 auto;padding:1rem}
h1,h2,h3,summary,li{overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.2}h2{font-size:1.25rem;margin:2rem 0 .5rem}h3{font-size:1rem}
p,ul,ol,dl{max-width:46rem}footer,small,caption,.soft{color:var(--soft)}
a{color:var(--s1)}a:focus-visible,summary:focus-visible,.wide:focus-visible{outline:3px solid
var(--s2);outline-offset:2px}
.wide{overflow-x:auto;margin:.5rem 0}table{border-collapse:collapse;font-variant-numeric:
tabular-nums}caption{text-align:left;padding:.25rem 0}
th,td{padding:.3rem .5rem;border-bottom:1px solid var(--rule);text-align:left;vertical-align:top}
thead th{border-bottom:2px solid var(--rule)}tbody th{font-weight:600}
th small{font-weight:400;white-space:nowrap}
.number{text-align:right;white-space:nowrap}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--panel);padding:.6rem .8rem;
margin:.4rem 0;font:.875rem/1.45 ui-monospace,monospace}
code{font:.9em ui-monospace,monospace}
details{border-bottom:1px solid var(--rule);padding:.35rem 0}summary{cursor:pointer}
.beside{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:1rem}
.good{color:var(--good)}.bad{color:var(--bad)}.greyed{opacity:.6}
ins{text-decoration:underline;background:none;color:var(--good)}
del{color:var(--bad)}
figcaption>span{display:inline-block;margin-right:.6rem}
figure{margin:.8rem 0}figure>svg{width:100%;max-width:40rem}
svg{max-width:100%;height:auto}svg text{fill:var(--ink);font:12px system-ui,sans-serif}
.bars{max-width:40rem}.bars p{display:flex;justify-content:space-between;gap:1rem;
margin:.7rem 0 .15rem;line-height:1.3}.bars svg{display:block;width:100%;height:.7rem}
.ground{fill:var(--panel)}.whisker{fill:var(--ink)}rect.good{fill:var(--good)}
rect.bad{fill:var(--bad)}
@media(max-width:30rem){svg text{font-size:15px}h1{font-size:1.3rem}
tbody th:has(small){min-width:8rem;overflow-wrap:anywhere}th small{white-space:normal}
.bars p{display:block}.bars p>span{display:block;text-align:left}}
@media(max-width:60rem){.rows{font-size:.875rem}.rows th,.rows td{padding:.3rem}
.rows th small{white-space:normal}}
@media(max-width:45rem){.rows{font-size:1rem}.rows thead{display:none}
.rows table,.rows tbody{display:block}
.rows tr{display:flex;flex-wrap:wrap;gap:.1rem 1rem;padding:.4rem 0;
border-bottom:1px solid var(--rule)}
.rows th,.rows td{display:block;padding:0;border:0;text-align:left;overflow-wrap:anywhere;
white-space:normal}
.rows th{flex:1 0 100%}.rows td:empty{display:none}
.rows td::before{content:attr(data-label);display:block;font-size:.75rem;color:var(--soft)}}
.axis{stroke:var(--rule);fill:none}.line{fill:none;stroke-width:2}.band{opacity:.25;stroke:none}
.series-1{fill:var(--s1);stroke:var(--s1)}.series-2{fill:var(--s2);stroke:var(--s2)}
.series-3{fill:var(--s3);stroke:var(--s3)}.series-4{fill:var(--s4);stroke:var(--s4)}
.series-5{fill:var(--s5);stroke:var(--s5)}.series-6{fill:var(--s6);stroke:var(--s6)}
.line.series-1,.line.series-2,.line.series-3,.line.series-4,.line.series-5,.line.series-6{fill:none}
@media print{body{background:#fff;color:#000}details::details-content{content-visibility:visible;
display:block}.wide{overflow:visible}
section{break-inside:avoid}}
"""
_STYLE_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
