"""mfenv held against the world: what it finds beside what uv, pip and py-rattler find by themselves.

`python -m tests.world` asks for widely used packages, alone and in groups, and for what real conda
records hold, and judges each answer by engines that it calls itself, and never through mfenv:

* the versions are those that `uv pip compile` chooses under the same floor and Python;
* of each version the wheel is the best one by the tags of `packaging`, and, for a sample, the one
  that pip would install there;
* what is created for this machine satisfies `uv pip check` and mfenv's own check, and its packages
  can be imported;
* conda solves are py-rattler's, and so are the files of the packages that it links;
* PyPI packages beside conda's are those that uv finds when it is held to the same versions;
* what the decorators of a Metaflow flow ask for has the same answer.

A seed and a number make a request, whatever else is asked. What was judged is kept line by line in
the state file, so a run goes on where it stopped. It takes hours and a network, and gates nothing.
"""
