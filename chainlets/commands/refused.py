"""Why a command ends before its time."""


class Refused(Exception):
    """A command cannot be carried out as it was given; the message says what to write instead."""


class ReaderGone(Exception):
    """Whoever read the output has closed it."""
