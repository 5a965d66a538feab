"""A flow whose lock comes through a `Config`, which a mutator gives to its steps."""

from metaflow import Config, FlowMutator, FlowSpec, lock_parser, resolved_lock, step


class Locks(FlowMutator):
    def pre_mutate(self, flow):
        flow.add_decorator(resolved_lock, deco_kwargs=dict(flow.lock))
        for name, one in flow.steps:
            if name == "start":
                one.add_decorator("resolved_lock", deco_kwargs={**flow.lock, "groups": ["more"]})


@Locks
class Mutated(FlowSpec):
    lock = Config("lock", default="../../uv.lock", parser=lock_parser)

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Mutated()
