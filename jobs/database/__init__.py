"""The database that Greenwatch runs on.

`dsn` finds one. `server` serves a private one below `home`, with programs that `provision` unpacks by `debian`
from the mirrors that `mirrors` picks, as the user of `account`, under `settings`. `cli` is `greenwatch database`.
"""
