"""`greenwatch keep`: readings into an archive and back, old rows away, packed by column where the server can.

plan    what would go, and what holds it back
moves   into the archive, back, closed again; each step may be killed
files   pieces as Parquet files, read back before they count
daily   what a site has set, done by the worker's clock
"""

from jobs.keep.cli import EXAMPLE as EXAMPLE
from jobs.keep.cli import app as app
from jobs.keep.daily import run as run
