"""Years read in behind live data: planned, handed out in chunks to all workers, followed, cancelled, compared.

sources     files, folders, another database: cut into chunks, and these into bites
elsewhere   another Greenwatch database, read only
plan        what it would change, what would be made again, how long that takes
queue       procrastinate: its tables, its jobs, the thread of a worker
chunk       a chunk done, bite by bite, behind live work
status      how far it is
diff        what it changed of what people see
"""
