from tests.session import pytest_collection_finish, pytest_configure, pytest_xdist_auto_num_workers

__all__ = ["pytest_collection_finish", "pytest_configure", "pytest_xdist_auto_num_workers"]
