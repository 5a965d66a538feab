"""What `shadowed.py` runs."""

import importlib
import os

import inside
from metaflow import FlowSpec, conda, step

for name in os.environ["NAMES"].split():
    assert importlib.import_module(name).MINE, name


class ShadowedInner(FlowSpec):
    @conda(libraries={"shared": "1.0"})
    @step
    def start(self):
        inside.check()
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        inside.tell(inner=True)


if __name__ == "__main__":
    ShadowedInner()
