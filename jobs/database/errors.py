"""What can be wrong with the database: the docstring says what, the rest of a message what to do next."""


class DatabaseError(Exception):
    """The database cannot be used."""

    def __init__(self, next_step: str) -> None:
        says = (type(self).__doc__ or type(self).__name__).rstrip(".")
        super().__init__(f"{says}: {next_step}")


class NoDatabase(DatabaseError):
    """No database was found."""


class NotRunning(DatabaseError):
    """The private database is not running."""


class MissingTool(DatabaseError):
    """A program that unpacks Debian packages is missing."""


class MissingKeyring(DatabaseError):
    """The keys that sign Debian's packages are missing."""


class MirrorFailed(DatabaseError):
    """Debian's packages could not be fetched."""


class MissingPackage(DatabaseError):
    """A Debian package that is needed is missing."""


class DiskFull(DatabaseError):
    """The disk has not enough room."""


class UnfitHome(DatabaseError):
    """The folder for the database cannot be used."""


class OtherMajor(DatabaseError):
    """The data belong to another major version of PostgreSQL."""


class NotStarted(DatabaseError):
    """The database did not start."""


class NotStopped(DatabaseError):
    """The database did not stop."""


class NotBackedUp(DatabaseError):
    """The store was not backed up."""


class NotRestored(NotBackedUp):
    """The backup was not restored; nothing of it is left."""


class BrokenBackup(NotBackedUp):
    """This is no backup, or it is damaged."""


class TargetExists(DatabaseError):
    """What is to be made is there already."""


class OtherServer(DatabaseError):
    """The server is of another major version."""


class OtherVersion(DatabaseError):
    """The backup is of another version."""
