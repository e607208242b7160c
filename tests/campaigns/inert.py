"""A page that runs nothing, loads nothing and leads nowhere, whatever texts are in it."""

from __future__ import annotations

from html.parser import HTMLParser

_RUNS = frozenset({"script", "iframe", "object", "embed", "link", "base", "form", "img", "video"})
_LEADS = frozenset({"href", "src", "action", "formaction", "srcdoc", "xlink:href", "data"})


class _Reader(HTMLParser):
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in _RUNS, f"the page has <{tag}>"
        for name, value in attrs:
            assert not name.startswith("on"), f"the page has {name}="
            assert name not in _LEADS or (value or "").startswith("#"), f"it leads to {value}"
            assert "url(" not in (value or ""), f"it loads {value}"


def inert(page: str) -> None:
    """Raise AssertionError unless it is."""
    page.encode(errors="backslashreplace")
    _Reader().feed(page)
