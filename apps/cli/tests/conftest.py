from tests.session import pytest_configure, pytest_xdist_auto_num_workers

__all__ = ["pytest_configure", "pytest_xdist_auto_num_workers"]
