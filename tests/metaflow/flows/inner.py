"""What `outer.py` runs."""

import inside
from metaflow import FlowSpec, conda, step


class Inner(FlowSpec):
    @conda(libraries={"shared": "1.0"}, python="3.10")
    @step
    def start(self):
        import shared

        inside.imported_from_here(shared)
        inside.absent("colours")
        inside.tell(inner=inside.check("3.10"))
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        pass


if __name__ == "__main__":
    Inner()
