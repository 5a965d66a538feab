"""A flow as it is written for Metaflow's own `@conda` and `@pypi`."""

import os

import inside
from metaflow import FlowSpec, conda, conda_base, pypi, step

EXACT = os.environ["EXACT"]


@conda_base(packages={"colours": "1.0"}, python=EXACT)
class Own(FlowSpec):
    @step
    def start(self):
        import colours

        inside.check(EXACT)
        assert colours.__version__ == "1.0"
        self.next(self.middle)

    @conda(packages={"colours": "2.0"}, libraries={"shared": "1.0", "colours": "1.0"})
    @step
    def middle(self):
        import colours
        import shared

        assert (colours.__version__, shared.__version__) == ("2.0", "1.0")
        self.next(self.last)

    @pypi(packages={"dep": "1.0"}, python=EXACT)
    @step
    def last(self):
        import dep

        inside.check(EXACT)
        assert dep.version == 1
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        inside.tell(done=True)


if __name__ == "__main__":
    Own()
