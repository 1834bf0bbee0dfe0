"""Work shared out among forked processes; results come in the order of the work.

Promises
- What comes out is what `map(work, pieces)` would give. A fault of `pieces` is raised after the results of what came
  before it; a fault of `work` is raised here, where it can be seen: the piece is done once more in this process.
- Bounded: every process holds one piece at a time, this one as many as there are processes.
- Processes are forked, not started: that is allowed to daemonic processes (Celery's workers) too, and they know all that
  this one knows. They close every file they inherit (the database's connection among them), answer no signal of this
  process's, write nothing but results, and end when it ends, whatever ends it.
- A process that dies is a WorkerLost, never a gap.
- Bytes pass through memory that two processes share: half a megabyte through a pipe lets both wait for each other, which
  cost a landing a tenth of its time.
"""

from __future__ import annotations

import gc
import marshal
import mmap
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection, Pipe
from typing import Any

Work = Callable[[Any], Any]
"""piece -> result, both of what `marshal` knows: text, bytes, numbers, tuples and lists of them; bytes are passed fastest as
they are or in a tuple"""

_HIGHEST_FILE = 1 << 20
_MEMORY = 1 << 22
"""Bytes of memory that two processes share in each direction; what finds no place there goes through the pipe."""
_FAILED = object()


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


class _Line:
    """What two processes say to each other, one at a time. connection: its end of the pipe; heard, said: the memory in which
    the other's bytes lie, and its own."""

    def __init__(self, connection: Connection, heard: mmap.mmap, said: mmap.mmap) -> None:
        self.connection, self._heard, self._said = connection, heard, said

    def send(self, message: Any) -> None:
        """Raises OSError when nobody is there. _FAILED stands for itself."""
        if message is _FAILED:
            self.connection.send_bytes(b"")
            return
        several = isinstance(message, tuple)
        parts, lengths, end = list(message) if several else [message], {}, 0
        for at, part in enumerate(parts):
            if isinstance(part, bytes) and end + len(part) <= _MEMORY:
                start, end = end, end + len(part)
                self._said[start:end] = part
                parts[at], lengths[at] = None, len(part)
        self.connection.send_bytes(marshal.dumps((several, parts, lengths)))

    def receive(self) -> Any:
        """What the other said last. Raises EOFError or OSError when nobody is there."""
        words = self.connection.recv_bytes()
        if not words:
            return _FAILED
        several, parts, lengths = marshal.loads(words)  # noqa: S302 - our own process
        end = 0
        for at, length in lengths.items():
            start, end = end, end + length
            parts[at] = self._heard[start:end]
        return tuple(parts) if several else parts[0]


class _Worker:
    """One forked process, asked for one piece after the other."""

    def __init__(self, work: Work) -> None:
        self._work, self._piece = work, None
        near, far = Pipe()
        there, back = mmap.mmap(-1, _MEMORY), mmap.mmap(-1, _MEMORY)
        self._line = _Line(near, back, there)
        self._pid = os.fork()
        if self._pid == 0:
            _serve(_Line(far, there, back), work)
        far.close()

    def give(self, piece: Any) -> None:
        """Send the next piece to a process that has none."""
        self._piece = piece
        try:
            self._line.send(piece)
        except OSError:
            raise WorkerLost(self._end()) from None

    def take(self) -> Any:
        """Wait for the result of the piece it was given."""
        try:
            answer = self._line.receive()
        except (EOFError, OSError):
            raise WorkerLost(self._end()) from None
        return self._work(self._piece) if answer is _FAILED else answer

    def dismiss(self) -> None:
        """End the process; it holds nothing that could be lost."""
        self._line.connection.close()
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


def _serve(line: _Line, work: Work) -> None:
    """The forked process: a result for every piece, _FAILED for what raised; never returns."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        gc.freeze()
        kept = line.connection.fileno()
        os.closerange(3, kept)
        os.closerange(kept + 1, _HIGHEST_FILE)
        while True:
            piece = line.receive()
            try:
                result = work(piece)
            except Exception:  # noqa: BLE001 - the other side does the piece again
                result = _FAILED
            line.send(result)
    finally:
        os._exit(0)
