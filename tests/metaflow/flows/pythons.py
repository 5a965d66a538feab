"""Steps in conda environments of three Pythons, one in none."""

import os
import sys

import inside
from metaflow import FlowSpec, conda, conda_base, current, step

FIRST, SECOND, THIRD = os.environ["PYTHONS"].split()


@conda_base(libraries={"colours": ">=1"}, python=FIRST)
class Pythons(FlowSpec):
    @conda(libraries={"greeter": "1.0"})
    @step
    def start(self):
        import colours

        inside.check(FIRST)
        inside.imported_from_here(colours)
        inside.absent("mfenv", "shared")
        assert colours.__version__ == "2.0"
        self.env_id = current.environment_info["full_id"]
        self.next(self.middle)

    @conda(libraries={"colours": "1.0", "shared": "<2"}, python=SECOND)
    @conda(libraries={"shared": ">=1.5"})
    @step
    def middle(self):
        import colours
        import shared

        inside.check(SECOND)
        assert colours.__version__ == "1.0"
        assert shared.__version__ == "1.5"
        self.next(self.last)

    @conda(python=THIRD)
    @step
    def last(self):
        inside.check(THIRD)
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        assert sys.prefix == inside.OUTSIDE
        assert current.environment_info is None
        inside.tell(env_id=self.env_id)


if __name__ == "__main__":
    Pythons()
