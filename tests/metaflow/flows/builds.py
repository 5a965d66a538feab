"""A step names an environment while it runs, and the next one runs in it."""

import subprocess
import sys

import inside
from metaflow import FlowSpec, conda, current, named_env, step


class Builds(FlowSpec):
    @conda(disabled=True)
    @step
    def start(self):
        words = ("alias", "team/late:latest", f"built/run-{current.run_id}")
        command = [sys.executable, "-m", "metaflow.cmd.main_cli", "environment", *words]
        subprocess.run(command, check=True)
        self.next(self.end)

    @named_env(name="built/run-@{METAFLOW_RUN_ID_BASE}", fetch_at_exec=True)
    @step
    def end(self):
        import shared

        inside.check()
        inside.tell(shared=shared.__version__)


if __name__ == "__main__":
    Builds()
