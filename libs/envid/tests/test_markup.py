"""Texts from outside inside of HTML, read back as Python's own parser reads them."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from envid.markup import Html, element, joined


class Seen(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_is_html_already_stays_and_all_else_is_escaped() -> None:
    assert element("p", "a<b & ", element("i", "c")) == "<p>a&lt;b &amp; <i>c</i></p>"
    assert joined("<", Html("<br>")) == "&lt;<br>"
    # A text that was put together with others has to be said to be HTML.
    assert element("p", element("i", "c") + "<") == "<p>&lt;i&gt;c&lt;/i&gt;&lt;</p>"


def test_attributes() -> None:
    made = element("a", class_="x", data_at=0, hidden=True, title=None, checked=False, rel='"<')
    assert made == '<a class="x" data-at="0" hidden rel="&quot;&lt;"></a>'


# A carriage return is a newline to whoever reads HTML, and NUL is not allowed in it.
@given(st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"])))
def test_any_text_comes_back_as_text(text: str) -> None:
    seen = Seen(element("td", text, title=text))
    assert seen.tags == [("td", [("title", text)])]
    assert seen.text == text
