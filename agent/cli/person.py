"""Who is typing: for the record of silences and of alerts that were ended by hand."""

import os
import pwd


def login() -> str:
    """The login name of this process's user; its number where the system knows no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
