"""The settings: each is a flag or a variable M365WI_… of the environment.

options   the table of flags
values    what the text of a setting means
helpers   the same for the settings of helper containers
tracing   OpenTelemetry's variables
serve     the settings of `serve`, with their defaults
read      from flags and environment to settings, with every mistake at once
errors    mistakes
"""

from webhook.settings.errors import SettingsError, bad_value
from webhook.settings.options import add_flags
from webhook.settings.read import is_pod, read_settings, unknown_variables
from webhook.settings.serve import (
    CERTIFICATES,
    DEVELOPMENT,
    FILES,
    LOG_LEVELS,
    SELF_MANAGED,
    Rotation,
    ServeSettings,
)

__all__ = [
    "CERTIFICATES",
    "DEVELOPMENT",
    "FILES",
    "LOG_LEVELS",
    "SELF_MANAGED",
    "Rotation",
    "ServeSettings",
    "SettingsError",
    "add_flags",
    "bad_value",
    "is_pod",
    "read_settings",
    "unknown_variables",
]
