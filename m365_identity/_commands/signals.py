"""Ends a command at a signal, whatever it waits for.

The kernel does not end a container's first process by a signal that it does not handle, so a pod would take its whole
grace period to end. Python runs handlers between two steps of the main thread, and one step can be long: waiting for
DNS is one. So the work is done in another thread, and the main thread only waits for a socket: Python writes to it at
each signal, and that cannot be missed, as the end of a lock's wait can.
"""

import contextlib
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn, TypeVar

from m365_identity._commands.ending import ENDING, end

__all__ = ["interruptible"]

_Result = TypeVar("_Result")


def interruptible(
    work: Callable[[], _Result], *, handler: Callable[[int, FrameType | None], NoReturn] = end
) -> _Result:
    """What `work` returns or raises, unless a signal of ENDING comes first: then `handler` ends the process, or raises.

    A signal that is ignored, as by nohup, stays ignored. Outside the main thread, it only does the work.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    outcome: list[Callable[[], _Result]] = []
    waiting, waking = socket.socketpair()

    def run() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # the main thread gets them, also while this thread ends
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  # raised again in the main thread
            outcome.append(_raiser(error))
        else:
            outcome.append(lambda: result)
        with contextlib.suppress(OSError):  # the main thread has stopped waiting
            waking.send(b"\0")

    waking.setblocking(False)
    known = signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
    usual = {number: signal.getsignal(number) for number in ENDING}
    try:
        for number, before in usual.items():
            if before is not signal.SIG_IGN:
                signal.signal(number, handler)
        threading.Thread(target=run, name="work", daemon=True).start()
        while not outcome:
            waiting.recv(1)
    finally:
        for number, before in usual.items():
            signal.signal(number, before)
        signal.set_wakeup_fd(known)
        waiting.close()
        waking.close()
    return outcome[0]()


def _raiser(error: BaseException) -> Callable[[], NoReturn]:
    def raises() -> NoReturn:
        raise error

    return raises
