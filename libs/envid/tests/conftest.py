from tests.session import pytest_configure

__all__ = ["pytest_configure"]
