"""What a server means that refuses us, in the same words for indexes, channels and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pkgcache.web.credentials import Credentials

__all__ = ["GONE", "REFUSED", "refusal"]

GONE = (404, 410)
REFUSED = (401, 403)
_WHERE = "in netrc or in the settings"


def refusal(status: int, url: str, credentials: Credentials) -> tuple[str, str]:
    """The reason and the hint for a status of `REFUSED`, by whether a login was sent along."""
    sent = credentials.find(url) is not None
    token = credentials.with_token(url) != url
    # By RFC 9110, 401 asks for a login that is right, and 403 refuses whoever asks.
    if status == REFUSED[0] and (sent or token):
        what = "user name and password" if sent else "token"
        return f"it refuses the {what} ({status})", f"correct them {_WHERE}, or ask for new ones"
    if status == REFUSED[0]:
        return f"it asks for credentials ({status})", f"give a user name and a password {_WHERE}"
    if sent or token:
        return (
            f"it refuses these credentials ({status})",
            "ask who keeps it for the right to read it",
        )
    return f"it refuses access ({status})", f"give a user name and a password {_WHERE}"
