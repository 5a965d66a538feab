"""Steps in conda environments of three Pythons, one in none."""

import sys

import inside
from metaflow import FlowSpec, conda, conda_base, current, step


@conda_base(libraries={"colours": ">=1"}, python="3.10")
class Pythons(FlowSpec):
    @conda(libraries={"greeter": "1.0"})
    @step
    def start(self):
        import colours

        inside.check("3.10")
        inside.imported_from_here(colours)
        inside.absent("mfenv", "shared")
        assert colours.__version__ == "2.0"
        self.env_id = current.environment_info["full_id"]
        self.next(self.middle)

    @conda(libraries={"colours": "1.0", "shared": "<2"}, python="3.12")
    @conda(libraries={"shared": ">=1.5"})
    @step
    def middle(self):
        import colours
        import shared

        inside.check("3.12")
        assert colours.__version__ == "1.0"
        assert shared.__version__ == "1.5"
        self.next(self.last)

    @conda(python="3.13")
    @step
    def last(self):
        inside.check("3.13")
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        assert sys.prefix == inside.OUTSIDE
        assert current.environment_info is None
        inside.tell(env_id=self.env_id)


if __name__ == "__main__":
    Pythons()
