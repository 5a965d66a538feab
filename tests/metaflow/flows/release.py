"""What every release of Metaflow that is supported must be able to do."""

import os

import inside
from metaflow import FlowSpec, Runner, card, conda_base, current, pypi, step
from metaflow.cards import Markdown


@conda_base(libraries={"colours": "1.0"})
class Release(FlowSpec):
    @card(type="blank")
    @step
    def start(self):
        import colours

        self.prefix = inside.check()
        inside.imported_from_here(colours)
        current.card.append(Markdown("# a card"))
        with Runner("bare.py", environment="conda").run() as running:
            assert running.status == "successful", running.stderr
        inside.tell(step="start")
        self.next(self.middle)

    @pypi(packages={"dep": "1.0"})
    @step
    def middle(self):
        import colours
        import dep

        assert inside.check() != self.prefix
        inside.imported_from_here(colours, dep)
        assert current.environment_info["full_id"]
        if not os.environ.get("REPAIRED"):
            raise ValueError("as asked")
        inside.tell(step="middle")
        self.next(self.end)

    @step
    def end(self):
        assert inside.check() == self.prefix
        inside.tell(step="end")


if __name__ == "__main__":
    Release()
