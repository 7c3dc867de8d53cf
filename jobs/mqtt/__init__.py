"""`greenwatch mqtt`: what a broker carries. A message is acknowledged once it is safe on the disk.

asked       topics with a format each, the address of a broker
subscriber  the connection to the broker: messages into the spool, acknowledgements out
door        messages of the spool into batches
server      all of it, begun and ended in order
"""

from jobs.mqtt.cli import EXAMPLE, main

__all__ = ["EXAMPLE", "main"]
