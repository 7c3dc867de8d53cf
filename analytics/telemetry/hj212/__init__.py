"""HJ 212: what monitoring stations and platforms in China say to each other, editions of 2005, 2017 and 2025.

crc        the checksum of the standard, which is none of the usual ones
frames     bytes -> frames and faults, whatever a line makes of them
messages   the text of a frame -> who speaks, what is said, and groups of items
encoding   answers, commands and data -> bytes
gaps       which intervals are not there, to be asked for
codes      what factors and commands mean
devices    what is known of a device; passwords
"""
