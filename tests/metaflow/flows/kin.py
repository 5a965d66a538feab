"""Other decorators of Metaflow beside an environment, a wide foreach, and what can be resumed."""

import os
import sys

import inside
from metaflow import (
    FlowSpec,
    Parameter,
    card,
    catch,
    conda_base,
    current,
    parallel,
    retry,
    secrets,
    step,
)

WIDTH = 8


@conda_base(libraries={"colours": "1.0"})
class Kin(FlowSpec):
    fail = Parameter("fail", default=False, type=bool)

    @card(type="blank")
    @secrets(sources=[{"type": "inline", "id": "x", "options": {"env_vars": {"WORD": "hush"}}}])
    @step
    def start(self):
        from metaflow.cards import Markdown

        inside.check()
        assert os.environ["WORD"] == "hush"
        current.card.append(Markdown("# a card"))
        inside.tell(step="start")
        self.items = list(range(WIDTH))
        self.next(self.wide, foreach="items")

    @step
    def wide(self):
        import colours

        self.found = (self.input, colours.__version__, sys.prefix)
        self.next(self.join)

    @step
    def join(self, inputs):
        assert sorted(one.found[0] for one in inputs) == list(range(WIDTH))
        assert {one.found[1:] for one in inputs} == {("1.0", sys.prefix)}
        self.next(self.caught)

    @catch(var="problem")
    @step
    def caught(self):
        inside.check()
        if WIDTH:
            raise ValueError("to be caught")
        self.next(self.tried)

    @retry(times=1, minutes_between_retries=0)
    @step
    def tried(self):
        inside.check()
        assert "to be caught" in str(self.problem)
        if current.retry_count == 0:
            raise ValueError("the first time")
        self.next(self.together, num_parallel=2)

    @parallel
    @step
    def together(self):
        inside.check()
        self.node = current.parallel.node_index
        self.next(self.gather)

    @step
    def gather(self, inputs):
        assert sorted(one.node for one in inputs) == [0, 1]
        self.next(self.last)

    @step
    def last(self):
        if self.fail and not os.environ.get("REPAIRED"):
            raise ValueError("as asked")
        self.next(self.end)

    @step
    def end(self):
        inside.tell(step="end")


if __name__ == "__main__":
    Kin()
