"""A report's page: whatever a model says in it stays text, and nothing is run or loaded."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from localai.output.html import (
    Markup,
    details,
    element,
    page,
    preformatted,
    section,
    table,
)
from localai.output.table import Column

HARMFUL = "</pre></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"


class _Elements(HTMLParser):
    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br", "hr", "col", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_what_a_model_says_stays_text_wherever_it_stands() -> None:
    document = page(
        HARMFUL,
        section(HARMFUL, preformatted(HARMFUL), id="first"),
        table([HARMFUL], [[HARMFUL]], caption=HARMFUL),
        details(HARMFUL, element("p", HARMFUL, title=HARMFUL)),
        footer=HARMFUL,
    )
    read = _Elements(document)
    assert not {"script", "img"} & set(read.found)
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert read.text.count("onerror=alert(1)") == 10
    assert ("title", HARMFUL) in read.attributes
    assert read.open == []


def test_escapes_and_controls_that_turn_text_around_are_gone() -> None:
    assert preformatted("a\x1b[31mb\x07\u202ec\nd") == '<pre dir="auto">abc\nd</pre>'


def test_markup_is_not_escaped_twice_and_text_always_is() -> None:
    assert element("p", element("b", "1 < 2"), " & ", 3, None) == "<p><b>1 &lt; 2</b> &amp; 3</p>"
    assert element("p", str(element("b", "x"))) == "<p>&lt;b&gt;x&lt;/b&gt;</p>"
    assert isinstance(element("p"), Markup)


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("script", {}),
        ("IMG", {}),
        ("foreignObject", {}),
        ("p onclick=x", {}),
        ("p", {"onclick": "x"}),
        ("p", {"style": "x"}),
        ("svg", {"xlink:href": "x"}),
        ("a", {"href": "javascript:alert(1)"}),
        ("a", {"href": " https://example.org"}),
        ("p", {'x"': "x"}),
    ],
)
def test_what_could_run_or_load_something_cannot_be_built(name, attributes) -> None:
    with pytest.raises(ValueError, match="a report"):
        element(name, **attributes)


def test_attributes_are_written_as_python_can_say_them() -> None:
    assert element("a", "x", href="#y", class_="z", aria_label="l", hidden=True, id=None) == (
        '<a href="#y" class="z" aria-label="l" hidden="">x</a>'
    )
    assert element("svg", element("path", d="M0 0"), viewBox="0 0 1 1") == (
        '<svg viewBox="0 0 1 1"><path d="M0 0"></path></svg>'
    )


def test_the_policy_permits_the_page_its_own_style_and_nothing_else() -> None:
    document = page("t")
    found = re.search("<style>(.*?)</style>", document, re.DOTALL)
    assert found is not None
    style = found[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src &#x27;none&#x27;; style-src &#x27;sha256-{digest}&#x27;;"
    assert policy in document
    assert "url(" not in style and "@import" not in style and "http" not in style
    assert "prefers-color-scheme:dark" in style and "@media print" in style


def test_a_table_names_its_rows_and_columns_for_a_reader_who_does_not_see_it() -> None:
    made = table(["model", Column("tok/s", right=True)], [["a", "1"]])
    assert '<div class="wide"' in made, "two columns fit everywhere"
    assert '<th scope="col">model</th><th class="number" scope="col">tok/s</th>' in made
    assert '<th scope="row">a</th><td class="number" data-label="tok/s">1</td>' in made


def test_on_a_phone_a_row_is_a_block_whose_cells_say_what_they_are() -> None:
    made = table(["model", "tok/s", element("b", "zone"), ""], [["a", 1, "here", "!"]])
    assert made.startswith('<div class="wide rows"')
    assert '<td data-label="tok/s">1</td><td>here</td><td>!</td>' in made
    style = page("x").partition("<style>")[2].partition("</style>")[0]
    narrow = style.partition("@media(max-width:45rem)")[2]
    for rule in (".rows thead{display:none}", "flex-wrap:wrap", "content:attr(data-label)"):
        assert rule in narrow
