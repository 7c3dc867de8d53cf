"""The database that Greenwatch runs on.

`dsn` finds one. `server` serves a private one below `home`, with programs that `provision` unpacks from the Debian
mirrors that `mirrors` picks, as the user of `account`, under `settings`. `cli` is `greenwatch database`.
"""
