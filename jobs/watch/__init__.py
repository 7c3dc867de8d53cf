"""`greenwatch watch`: the state of every alarm as of now, and what changed."""

from jobs.watch.cli import EXAMPLE, main
from jobs.watch.look import Watch, run

__all__ = ["EXAMPLE", "Watch", "main", "run"]
