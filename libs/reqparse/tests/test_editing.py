"""Single lines of a requirements.txt, changed with all others as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqparse.editing import append_line, insert_line, remove_line, replace_line

LINES = st.lists(
    st.sampled_from(
        ["a", "b>=1  # why", "# alone", "", "c \\", "  d", "é==2", "e[x]; python_version<'4'"]
    )
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@given(LINES, ENDS, st.booleans())
def test_what_is_appended_and_removed_leaves_every_byte(
    lines: list[str], end: str, ended: bool
) -> None:
    text = end.join(lines) + (end if ended and lines else "")
    count = len(text.splitlines())
    if count and text.splitlines()[-1].endswith("\\"):
        with pytest.raises(ValueError, match=f"line {count} goes on behind the end of the file"):
            append_line(text, "new==1")
        return
    more = append_line(text, "new==1")
    assert more.splitlines() == [*text.splitlines(), "new==1"]
    assert remove_line(more, count + 1) == text


@given(LINES.filter(lambda lines: "c \\" not in lines and len(lines) > 0), ENDS, st.data())
def test_what_is_inserted_is_removed_again(lines: list[str], end: str, data: st.DataObject) -> None:
    text = "".join(f"{line}{end}" for line in lines)
    number = data.draw(st.integers(0, len(lines)))
    more = insert_line(text, number, "new==1")
    assert more.split(end)[number] == "new==1"
    assert remove_line(more, number + 1) == text


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("a\nb>=1\nc\n", "a\nb<2\nc\n"),
        ("a\r\n  b>=1  # why\r\nc", "a\r\n  b<2  # why\r\nc"),
        ("# b>=1\nb>=1", "# b>=1\nb<2"),
        ("a\nb>=1 # b>=1\n", "a\nb<2 # b>=1\n"),
        ("a\nb @ https://x.test/b.whl#sha256=1 # c\n", "a\nb<2 # c\n"),
    ],
)
def test_a_statement_is_replaced_and_its_comment_stays(text: str, changed: str) -> None:
    assert replace_line(text, 2, "b<2") == changed


def test_a_line_that_is_joined_goes_whole_and_is_not_replaced() -> None:
    text = "a\nb>=1 \\\n  --hash=sha256:00 \\\n  --hash=sha256:11\nc\n"
    assert remove_line(text, 2) == "a\nc\n"
    assert remove_line(text, 5) == text.removesuffix("c\n")
    with pytest.raises(ValueError, match="line 2 is joined from several"):
        replace_line(text, 2, "b<2")
