"""PyPI packages, both kinds together, what was named before, and what a task looks up."""

import inside
from metaflow import FlowSpec, Parameter, conda, current, named_env, pip, pypi, step


class Kinds(FlowSpec):
    whose = Parameter("whose", default="nobody")

    @pypi(packages={"app": "", "dep": "<2"})
    @step
    def start(self):
        import app
        import dep

        inside.check()
        inside.imported_from_here(app, dep)
        assert dep.version == 1
        self.next(self.mixed)

    @conda(libraries={"colours": "1.0"})
    @pypi(packages={"dep": "2.0"}, conda_only={"data-only": ""})
    @step
    def mixed(self):
        import colours
        import dep

        inside.imported_from_here(colours, dep)
        assert (colours.__version__, dep.version) == ("1.0", 2)
        self.next(self.named)

    @named_env(name="team/@{KIND}:v1")
    @step
    def named(self):
        import colours

        inside.absent("dep")
        inside.tell(named=inside.check(), colours=colours.__version__)
        self.next(self.derived)

    @named_env(name="team/@{KIND}:v1")
    @pip(packages={"other": ""})
    @step
    def derived(self):
        import colours
        import other

        inside.imported_from_here(colours, other)
        assert colours.__version__ == "1.0"
        self.next(self.late)

    @named_env(name="@{METAFLOW_INIT_WHOSE}/@{METAFLOW_STEP_NAME}:latest", fetch_at_exec=True)
    @step
    def late(self):
        import shared

        inside.check()
        names = [one["name"] for one in current.environment_info["packages"]]
        assert "shared" in names
        assert "conda::shared 3.0.*" in current.environment_info["user_deps"].split("; ")
        inside.tell(late=shared.__version__)
        self.next(self.end)

    @conda(pip_packages={"other": ""}, libraries={"colours": "2.0"})
    @step
    def end(self):
        import colours
        import other

        inside.imported_from_here(colours, other)


if __name__ == "__main__":
    Kinds()
