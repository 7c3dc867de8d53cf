"""What can be wrong with a spool: the docstring says what, the rest of a message where, or what to do."""


class SpoolError(Exception):
    """The spool cannot do what was asked."""

    def __init__(self, where: object) -> None:
        says = (type(self).__doc__ or type(self).__name__).split(":")[0].rstrip(".")
        super().__init__(f"{says}: {where}")


class InUse(SpoolError):
    """Another process owns this spool."""


class Closed(SpoolError):
    """The spool was closed: nothing of the record is in it."""


class Full(SpoolError):
    """There is no room in the spool: nothing of the record is there. When there is room again, it may come in."""


class TooLarge(SpoolError):
    """The record is larger than any may be: nothing of it is in the spool."""


class Failed(SpoolError):
    """The disk did not keep the record: it is not acknowledged, and the disk did not say that it is full."""


class Rewound(SpoolError):
    """The spool is another one, or an older copy: it ends before the place to which it was drained."""
