"""A flow that inherits from another one, several decorators on each."""

import inside
from metaflow import FlowSpec, conda_base, step


@conda_base(libraries={"colours": "1.0"})
class Base(FlowSpec):
    pass


@conda_base(libraries={"shared": ">=1.5"})
@conda_base(libraries={"shared": "<2"})
class Heir(Base):
    @step
    def start(self):
        import colours
        import shared

        inside.tell(found=[colours.__version__, shared.__version__])
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Heir()
