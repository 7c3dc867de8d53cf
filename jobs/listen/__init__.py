"""`greenwatch listen`: devices that speak HJ 212 over TCP. A frame is answered once it is safe on the disk.

limits     how much of each thing is taken
house      what connections share: devices, the spool, counters
session    a connection
exchange   a request of ours to a device
door       frames of the spool into batches
threads    beside the loop: the store is filled, devices are learned, gaps are asked for
server     all of it, begun and ended in order
"""

from jobs.listen.cli import EXAMPLE, main

__all__ = ["EXAMPLE", "main"]
