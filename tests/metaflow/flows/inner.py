"""What `outer.py` runs."""

import os

import inside
from metaflow import FlowSpec, conda, step

OTHER = os.environ["PYTHONS"].split()[0]


class Inner(FlowSpec):
    @conda(libraries={"shared": "1.0"}, python=OTHER)
    @step
    def start(self):
        import shared

        inside.imported_from_here(shared)
        inside.absent("colours")
        inside.tell(inner=inside.check(OTHER))
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        pass


if __name__ == "__main__":
    Inner()
