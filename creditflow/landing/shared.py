"""Work shared out among forked processes; results come in the order of the work.

Promises
- What comes out is what `map(work, pieces)` would give. A fault of `pieces` is raised after the results of what came
  before it; a fault of `work` is raised here, where it can be seen: the piece is done once more in this process.
- Bounded: every process holds one piece at a time, this one as many as there are processes.
- Processes are forked, not started: that is allowed to daemonic processes (Celery's workers) too, and they know all that
  this one knows. They close every file they inherit (the database's connection among them), answer no signal of this
  process's, write nothing but results, and end when it ends, whatever ends it.
- A process that dies is a WorkerLost, never a gap.
"""

from __future__ import annotations

import gc
import marshal
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection, Pipe
from typing import Any

Work = Callable[[Any], Any]
"""piece -> result, both of what `marshal` knows: text, bytes, numbers, tuples and lists of them"""

_HIGHEST_FILE = 1 << 20


class WorkerLost(Exception):
    """A process that shared the work died (out of memory, killed): what it had is not done."""

    def __init__(self, how: str) -> None:
        super().__init__(
            f"并行处理的子进程中断（{how}），本步骤未完成；请检查内存后重新运行"
            f" / a process sharing the work died ({how}), this step is not done: check the memory and run again"
        )


def shared_out(work: Work, pieces: Iterator[Any], processes: int, *, alone: int) -> Generator[Any]:
    """work(piece) for every piece, in order. The first `alone` pieces are done here: little work is not worth a process, and
    what `work` remembers of them is known in all; the others are shared among at most `processes` processes, or done
    here when that is 1. Raises what `pieces` and `work` raise, and WorkerLost. To be closed when it is not consumed."""
    yield from map(work, pieces if processes <= 1 else islice(pieces, alone))
    busy = deque[_Worker]()
    failure: Exception | None = None
    try:
        while failure is None:
            try:
                piece = next(pieces)
            except StopIteration:
                break
            except Exception as problem:  # noqa: BLE001 - raised again below
                failure = problem
                break
            if len(busy) < processes:
                busy.append(_Worker(work))
                busy[-1].give(piece)
                continue
            result = busy[0].take()
            busy[0].give(piece)
            busy.rotate(-1)
            yield result
        while busy:
            yield busy[0].take()
            busy.popleft().dismiss()
        if failure is not None:
            raise failure
    finally:
        for worker in busy:
            worker.dismiss()


class _Worker:
    """One forked process, asked for one piece after the other."""

    def __init__(self, work: Work) -> None:
        self._work, self._piece = work, None
        self._connection, far = Pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _serve(far, work)
        far.close()

    def give(self, piece: Any) -> None:
        """Send the next piece to a process that has none."""
        self._piece = piece
        try:
            self._connection.send_bytes(marshal.dumps(piece))
        except OSError:
            raise WorkerLost(self._end()) from None

    def take(self) -> Any:
        """Wait for the result of the piece it was given."""
        try:
            answer = self._connection.recv_bytes()
        except (EOFError, OSError):
            raise WorkerLost(self._end()) from None
        return marshal.loads(answer) if answer else self._work(self._piece)  # noqa: S302 - our own process

    def dismiss(self) -> None:
        """End the process; it holds nothing that could be lost."""
        self._connection.close()
        if self._pid:
            with suppress(ProcessLookupError):  # somebody else has waited for it
                os.kill(self._pid, signal.SIGKILL)
            self._end()

    def _end(self) -> str:
        """Wait for the end of the process; how it ended."""
        try:
            status = os.waitpid(self._pid, 0)[1]
        except ChildProcessError:
            status = 0
        self._pid = 0
        code = os.waitstatus_to_exitcode(status)
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def _serve(connection: Connection, work: Work) -> None:
    """The forked process: a result for every piece, an empty one for what raised; never returns."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        gc.freeze()
        os.closerange(3, connection.fileno())
        os.closerange(connection.fileno() + 1, _HIGHEST_FILE)
        while True:
            piece = marshal.loads(connection.recv_bytes())  # noqa: S302 - our own process
            try:
                result = marshal.dumps(work(piece))
            except Exception:  # noqa: BLE001 - the other side does the piece again
                result = b""
            connection.send_bytes(result)
    finally:
        os._exit(0)
