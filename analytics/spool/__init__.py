"""The spool: what came in, byte for byte, safe on the disk before it is answered; the only package that writes files.

A folder of segments with one owner (`Spool`), who appends. A record is a payload, a small head in words, and when it
was received. Who drains it (`jobs.drain`) remembers in the store how far; what is drained stays, compressed, until it
is old (`keep`), and can be read again.

framing    a record as bytes, and back; where the next whole one begins
segments   the files of a folder
writing    the owner: group commit by one thread, a full disk refused, a torn end cut off
reading    records behind a place, bounded; damage is passed and told
keeping    segments compressed, segments deleted
errors     what can be wrong
"""

from analytics.spool.errors import Closed, Failed, Full, InUse, Rewound, SpoolError, TooLarge
from analytics.spool.framing import LARGEST, Place, Record
from analytics.spool.keeping import Kept, keep
from analytics.spool.reading import Damage, Depth, Read, depth, earliest, read, records
from analytics.spool.segments import sync
from analytics.spool.writing import Figures, Spool

__all__ = [
    "LARGEST",
    "Closed",
    "Damage",
    "Depth",
    "Failed",
    "Figures",
    "Full",
    "InUse",
    "Kept",
    "Place",
    "Read",
    "Record",
    "Rewound",
    "Spool",
    "SpoolError",
    "TooLarge",
    "depth",
    "earliest",
    "keep",
    "read",
    "records",
    "sync",
]
