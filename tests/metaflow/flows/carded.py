"""A flow whose steps show their environments as cards."""

import os

from metaflow import FlowSpec, card, conda, pypi_base, step

DEP = os.environ.get("DEP", "1.0")


@pypi_base(packages={"dep": DEP, "requests": ""})
class Carded(FlowSpec):
    @card(type="environment")
    @step
    def start(self):
        self.next(self.middle)

    @conda(disabled=True)
    @step
    def middle(self):
        if os.environ.get("FAILS"):
            raise ValueError
        self.next(self.end)

    @card(type="environment")
    @step
    def end(self):
        pass


if __name__ == "__main__":
    Carded()
