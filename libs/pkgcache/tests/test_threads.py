from __future__ import annotations

import time
from functools import partial

import pytest

from pkgcache.threads import call_all


def test_after_one_failed_no_other_is_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise ValueError
        time.sleep(0.01)
        return number

    with pytest.raises(ValueError):
        call_all([partial(work, number) for number in range(500)], 8)
    assert len(begun) < 500
    assert call_all([partial(work, number) for number in (2, 1, 9)], 8) == [2, 1, 9]
