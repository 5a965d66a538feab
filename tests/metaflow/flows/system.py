"""Wheels for a Python of the system, and a module that only the Python outside has."""

import inside
from metaflow import FlowSpec, pypi, step


class System(FlowSpec):
    @pypi(packages={"app": ""})
    @step
    def start(self):
        import app
        import test_lib

        inside.check(conda=False)
        inside.imported_from_here(app)
        one = test_lib.TestClass1(5)
        assert one.value == 5
        self.next(self.end)

    @pypi(disabled=True)
    @step
    def end(self):
        pass


if __name__ == "__main__":
    System()
