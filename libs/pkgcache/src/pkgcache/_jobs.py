"""Work in steps, each in the pool of threads that suits it, as soon as the step before is done."""

from __future__ import annotations

import queue
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from pkgcache.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job(Generic[T]):
    """One step: `work` runs in the pool `lane` and gives a result, or the next step."""

    lane: str
    work: Callable[[], Step[T]]


Step: TypeAlias = "Job[T] | T"


def run_jobs(jobs: Iterable[Job[T]], lanes: Mapping[str, int], stop: Callable[[], None]) -> list[T]:
    """The results of all jobs, in the order they came. `lanes` says how many threads each has.

    The first error ends it: `stop` is called, what did not start never does, and what runs is
    waited for. A lane may be waited in for ever only by jobs that other lanes can finish.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    ended: queue.SimpleQueue[Future[Step[T]]] = queue.SimpleQueue()

    def step(work: Callable[[], Step[T]]) -> Step[T]:
        try:
            return work()
        except BaseException as error:
            # Before this thread takes the next step, or another fails of being stopped.
            errors.append(error)
            stop()
            raise

    def next_step() -> Step[T]:
        future = ended.get()
        if errors:
            raise errors[0]
        return future.result()

    with ExitStack() as stack:
        pools = {lane: stack.enter_context(Threads(threads)) for lane, threads in lanes.items()}
        for pool in pools.values():  # before the first of them has all that can be started
            pool.submit(int)

        def start(job: Job[T]) -> None:
            pools[job.lane].submit(step, job.work).add_done_callback(ended.put)

        try:
            running = 0
            for job in jobs:
                start(job)
                running += 1
            while running:
                outcome = next_step()
                if isinstance(outcome, Job):
                    start(outcome)
                else:
                    results.append(outcome)
                    running -= 1
        except BaseException:
            stop()
            for pool in pools.values():
                # All before the first is waited for: none shall begin anything new meanwhile.
                pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results
