"""How far the process is between its start and its end."""

from dataclasses import dataclass


@dataclass
class Lifecycle:
    """How far this process is. The worker and the application write it; requests and probes read it."""

    started: bool = False
    draining: bool = False
    stopped: bool = False

    @property
    def serving(self) -> bool:
        """Whether reviews can be answered. They are answered while draining."""
        return self.started and not self.stopped
