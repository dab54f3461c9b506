"""A problem that lasts over many readings of a file."""

import logging

from certs.messages import Problem


class LastingProblem:
    """The current problem, None without one. It is logged when it begins, changes and ends."""

    def __init__(self, log: logging.Logger) -> None:
        self.now: Problem | None = None
        self._log = log

    def note(self, found: Problem | None) -> None:
        """What the last reading found."""
        if found == self.now:
            return
        if found:
            self._log.error("%s", found)
        elif self.now:
            self._log.info("over: %s", self.now.text)
        self.now = found
