"""A step that runs another flow with environments of its own."""

import inside
from metaflow import FlowSpec, Runner, conda, step


class Outer(FlowSpec):
    @conda(libraries={"colours": "1.0"})
    @step
    def start(self):
        here = inside.check()
        inside.absent("mfenv")
        with Runner("inner.py", environment="conda").run() as running:
            assert running.status == "successful", running.stderr
        inside.tell(outer=here)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Outer()
