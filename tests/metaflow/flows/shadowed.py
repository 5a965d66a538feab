"""A flow that has modules of its own by names that mfenv and what it imports have too."""

import importlib
import os
import subprocess
import sys

import inside
from metaflow import FlowSpec, Runner, conda, req_parser, step

NAMES = os.environ["NAMES"].split()
for name in NAMES:
    assert importlib.import_module(name).MINE, name
NEEDS = req_parser("dep==1.0")
CODE = f"""
import importlib
for name in {NAMES}:
    assert importlib.import_module(name).MINE, name
"""


class Shadowed(FlowSpec):
    @conda(libraries={"colours": "1.0"}, pip_packages=NEEDS["packages"])
    @step
    def start(self):
        import colours
        import dep

        inside.check()
        inside.imported_from_here(colours, dep)
        subprocess.run(["python", "-c", CODE], check=True)
        words = ("-m", "metaflow.cmd.main_cli", "environment", "list", "--json")
        listed = subprocess.run([sys.executable, *words], stdout=subprocess.PIPE, check=True)
        assert b'"full_id"' in listed.stdout
        with Runner("shadowed_inner.py", environment="conda").run() as running:
            assert running.status == "successful", running.stderr
        self.next(self.outside)

    @conda(disabled=True)
    @step
    def outside(self):
        assert sys.prefix == inside.OUTSIDE
        subprocess.run([sys.executable, "-c", CODE], check=True, cwd=os.path.dirname(__file__))
        self.next(self.end)

    @step
    def end(self):
        inside.tell(done=NAMES)


if __name__ == "__main__":
    Shadowed()
