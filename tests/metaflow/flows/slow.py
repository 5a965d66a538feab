"""A step that goes on when its run was killed, and needs Metaflow's code until its end."""

import os
import time

import inside
from metaflow import FlowSpec, conda_base, step


@conda_base(libraries={"colours": "1.0"})
class Slow(FlowSpec):
    @step
    def start(self):
        inside.tell(pid=os.getpid())
        if os.environ.get("PATIENCE"):
            time.sleep(float(os.environ["PATIENCE"]))
            from metaflow.plugins.cards import card_client

            inside.tell(late=card_client.__name__)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Slow()
