"""Steps in what locks have: the flow's uv.lock, and a list of conda packages with a step of its own."""

import json
import os

from metaflow import FlowSpec, resolved_lock, resolved_uv, step


def tell(**facts):
    with open(os.environ["TOLD"], "a") as file:
        file.write(json.dumps(facts) + "\n")


@resolved_uv
class LockedFlow(FlowSpec):
    @step
    def start(self):
        import app

        tell(app=app.__name__)
        self.next(self.more)

    @resolved_uv(groups=["more"])
    @step
    def more(self):
        import other

        tell(other=other.__name__)
        self.next(self.conda)

    @resolved_lock(path="conda/list.txt")
    @step
    def conda(self):
        import colours

        tell(colours=colours.__version__)
        self.next(self.end)

    @step
    def end(self):
        from importlib.metadata import version

        tell(dep=version("dep"))


if __name__ == "__main__":
    LockedFlow()
