"""Steps that call pip, as they do in environments of conda and of metaflow-netflixext."""

import subprocess
import sys
from importlib.metadata import version

import inside
from metaflow import FlowSpec, conda, pypi, step


class Pips(FlowSpec):
    @conda(libraries={"colours": "1.0"})
    @step
    def start(self):
        command = [sys.executable, "-m", "pip", "list", "--format=freeze"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        self.listed = done.stdout.split()
        self.next(self.mixed)

    @conda(libraries={"colours": "1.0"})
    @pypi(packages={"app": ""})
    @step
    def mixed(self):
        self.mixed_pip = version("pip")
        self.next(self.wheels)

    @pypi(packages={"app": ""})
    @step
    def wheels(self):
        self.wheels_pip = version("pip")
        self.next(self.end)

    @conda(packages={"pip": "24.3.1"})
    @step
    def end(self):
        inside.tell(
            listed=self.listed, mixed=self.mixed_pip, wheels=self.wheels_pip, own=version("pip")
        )


if __name__ == "__main__":
    Pips()
