"""A flow whose mutator puts a module beside it, as it is on other machines."""

import os

import inside
from metaflow import FlowMutator, FlowSpec, conda, step
from metaflow.packaging_sys import ContentType


class Adds(FlowMutator):
    def add_to_package(self):
        return [(os.environ["ADDED"], "added_package/module.py", ContentType.USER_CONTENT)]


@Adds
class Adding(FlowSpec):
    @conda(libraries={"colours": "1.0"})
    @step
    def start(self):
        from added_package import module

        inside.check()
        inside.tell(added=module.ADDED)
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        pass


if __name__ == "__main__":
    Adding()
