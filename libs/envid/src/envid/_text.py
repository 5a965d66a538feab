"""Text from outside: what may be kept of it, and what may be shown of it in a message."""

from __future__ import annotations

import re

from envid.redaction import redact

# Control characters, line separators and lone surrogates: they break messages, logs and UTF-8.
_UNSAFE = "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
_PARAMETER = (
    r"(?i)(?<=[?&])((?:[a-z_-]*(?:token|password|secret|signature|api[_-]?key)|sig)=)[^&#\s]*"
)
_LONGEST_SHOWN = 200


def is_safe(text: str) -> bool:
    """Whether `text` is one line of printable characters that UTF-8 can write."""
    # The first answers fast for nearly all; it refuses some that harm nobody, such as U+00A0.
    return text.isprintable() or re.search(_UNSAFE, text) is None


def has_secret_parameter(url: str) -> bool:
    """Whether the query of `url` carries a token, a password or a signature."""
    return re.search(_PARAMETER, url) is not None


def shown(text: str, longest: int = _LONGEST_SHOWN) -> str:
    """`text` as a message may quote it: redacted, on one line, of bounded length."""
    # Before it is cut: the first half of a login may not look like one.
    text = redact(text)
    if len(text) > longest:
        text = text[:longest] + "..."
    return re.sub(_UNSAFE, lambda unsafe: ascii(unsafe[0])[1:-1], text)
