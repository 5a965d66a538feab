"""The flows that are sent away."""

from __future__ import annotations

REMOTE = """
import os, sys
from metaflow import FlowSpec, conda, current, pypi_base, step

@pypi_base(packages={"boto3": "", "requests": "", "idna": "3.7"})
class RemoteFlow(FlowSpec):
    @conda(libraries={"colours": "2.0"})
    @step
    def start(self):
        import colours, idna
        self.seen = [sys.prefix, colours.__version__, idna.__version__, idna.__file__]
        self.info = current.environment_info["full_id"]
        self.inside = os.popen("python -c 'import sys; print(sys.prefix)'").read().strip()
        self.items = [1, 2, 3, 4]
        print("in the step")
        self.next(self.each, foreach="items")

    @step
    def each(self):
        import idna
        self.mine = sys.prefix, idna.__version__
        self.next(self.join)

    @step
    def join(self, inputs):
        self.all = [one.mine for one in inputs]
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        self.outside = sys.prefix

if __name__ == "__main__":
    RemoteFlow()
"""

PLAIN = """
import sys
from metaflow import FlowSpec, conda, pypi_base, step

@pypi_base(packages={"boto3": "", "requests": "", "idna": "3.7"})
class PlainFlow(FlowSpec):
    @step
    def start(self):
        import idna
        print("in", sys.prefix, "with idna", idna.__version__)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    PlainFlow()
"""

NAMED = """
from metaflow import FlowSpec, named_env, step

class NamedFlow(FlowSpec):
    @named_env(name="team/@{KIND}:v1", fetch_at_exec=True)
    @step
    def start(self):
        import idna
        print("named, with idna", idna.__version__)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    NamedFlow()
"""

OUTER = """
import os, subprocess, sys
from metaflow import FlowSpec, Runner, conda, pypi_base, step

@pypi_base(packages={"boto3": "", "requests": ""})
class OuterFlow(FlowSpec):
    @conda(libraries={"colours": "1.0"})
    @step
    def start(self):
        for name in ("inner", "unknown_conda", "unknown_pypi"):
            runner = Runner(f"{name}.py", environment="conda", show_output=False)
            try:
                with runner.run() as running:
                    print(name, running.status, " ".join(running.stdout.split()))
            except RuntimeError:
                # Its message may lack what the run said: other threads of Metaflow's copy that.
                command = [sys.executable, f"{name}.py", "--environment=conda", "run"]
                ended = subprocess.run(command, capture_output=True, text=True)
                print(name, "failed", *ended.stdout.split(), *ended.stderr.split())
        self.send_away()
        self.next(self.end)

    def send_away(self):
        # What a run of tasks on other machines asks of mfenv.
        from metaflow_extensions.mfenv.bridge import call
        from metaflow_extensions.mfenv.descriptions import descriptions
        from metaflow_extensions.mfenv.collect import lock_place
        from metaflow_extensions.mfenv.run_records import Resolve, Statement, StepStatements

        packages = {"boto3": "", "requests": "", "idna": "3.7"}
        said = Statement(kind="pypi", level="flow", place="", attributes={"packages": packages})
        away = StepStatements(step="start", platform="linux-64", gpu=False, stated=(said,))
        place = lock_place(self)
        answer = call(Resolve(datastore="s3", steps=(away,), force=False, place=place), print)
        here = descriptions()
        assert answer.runtime == here.runtime
        assert answer.settings == here.settings, (answer.settings, here.settings)
        print("handed on", *answer.environments)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    OuterFlow()
"""

DEPLOYING = """
from metaflow import Deployer, FlowSpec, conda, pypi, step

class DeployingFlow(FlowSpec):
    @pypi(packages={"boto3": "", "requests": "", "kubernetes": ""})
    @step
    def start(self):
        deployer = Deployer("inner.py", environment="conda").argo_workflows()
        deployer.create(only_json=True)
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        pass

if __name__ == "__main__":
    DeployingFlow()
"""

SHADOWED = """
import importlib, subprocess, sys
from metaflow import FlowSpec, pypi_base, step

NAMES = {names!r}.split()
for name in NAMES:
    assert importlib.import_module(name).MINE, name

@pypi_base(packages={{"boto3": "", "requests": "", "idna": "3.7"}})
class ShadowedFlow(FlowSpec):
    @step
    def start(self):
        import idna
        words = [sys.executable, "-m", "metaflow.cmd.main_cli", "environment", "list", "--json"]
        listed = subprocess.run(words, stdout=subprocess.PIPE, check=True)
        assert b'"full_id"' in listed.stdout
        print("unharmed in", sys.prefix, "with idna", idna.__version__)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    ShadowedFlow()
"""
"""A flow that has modules of its own by names that mfenv and what it imports have too."""
