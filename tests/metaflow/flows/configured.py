"""Needs that stand in files."""

import inside
from metaflow import Config, FlowSpec, conda, pypi, req_parser, step, yml_parser


class Configured(FlowSpec):
    needs = Config("needs", default="needs.txt", parser=req_parser)
    more = Config("more", default="more.yml", parser=yml_parser)

    @pypi(**needs)
    @step
    def start(self):
        import dep

        inside.imported_from_here(dep)
        assert dep.version == 1
        self.next(self.end)

    @conda(**more)
    @step
    def end(self):
        import colours
        import other

        inside.imported_from_here(colours, other)
        inside.tell(colours=colours.__version__)


if __name__ == "__main__":
    Configured()
