"""How a signal ends the process, from the first moment on and until `exec` becomes a command.

A signal that Python handles by an exception can be lost: an exception in a destructor or in a callback is only printed.
So the handlers end the process themselves. This module imports nothing that takes long, since a signal that comes
before its handlers are set has Python's own effect.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False  # without importing typing, which takes longer than everything here
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

__all__ = ["ENDING", "end", "end_at_signals", "hand_over"]

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def end(number: int, frame: FrameType | None = None) -> NoReturn:
    """Ends the process as the signal `number` ends one that does not handle it."""
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    signal.raise_signal(number)
    os._exit(128 + number)  # process 1, which the kernel does not end by the signal: the exit code that a shell reports


def end_at_signals() -> None:
    """From now on, `end` handles each signal of ENDING that is not ignored."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


def hand_over() -> None:
    """Gives the signals of ENDING to the program that this process becomes by execve.

    A signal that has come by then ends the process. No signal gets lost, since all wait while the handlers change.
    """
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # it runs the handler of a signal that has come
    for number in ENDING:
        if signal.getsignal(number) is end:
            signal.signal(number, signal.SIG_DFL)
    for number in ENDING:
        if number in signal.sigpending() and number not in blocked and signal.getsignal(number) is signal.SIG_DFL:
            end(number)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
