"""What can be wrong with a store. The docstring of each says it; the message adds what to do."""


class StoreError(Exception):
    """The store is not as it should be."""


class NotPreloaded(StoreError):
    """TimescaleDB is created in this database but its server does not load it."""


class NotMigrated(StoreError):
    """The database has no tables of this version."""


class EditedMigration(StoreError):
    """A migration that has run differs from the file of its number."""


class NewerStore(StoreError):
    """A newer greenwatch has migrated this database."""


class Nonsense(StoreError):
    """A registry file says what cannot be."""


class NothingAdded(StoreError):
    """Counts do not add up to the cells read."""


class Archived(StoreError):
    """Readings that are needed lie in an archive."""


class Locked(StoreError):
    """The period is approved and takes no changes."""


class NoSuchCorrection(StoreError):
    """There is no such correction, or it was ended before."""


class Forgotten(StoreError):
    """What was known then was deleted for good."""


class Passed(StoreError):
    """The spool was drained further meanwhile."""
