"""The checksum of HJ 212-2017, appendix A ("ANSI CRC16"), which is neither that of Modbus nor CRC-16/ARC.

The register loses its low byte at each step, so that only 256 different results exist: about one in 256 errors of
several bytes passes. An error in one byte is always seen. Length, syntax and ranges must be looked at, too.
"""

_POLYNOMIAL = 0xA001


def _shifted(register: int) -> int:
    for _ in range(8):
        register = (register >> 1) ^ (_POLYNOMIAL if register & 1 else 0)
    return register


#: The eight shifts of what is left of the register, the next byte in it.
_STEPS = tuple(_shifted(low) for low in range(256))


def crc(segment: bytes) -> str:
    """Four capital hexadecimal digits, high byte first, of a data segment in plain text."""
    register = 0xFFFF
    for byte in segment:
        register = _STEPS[(register >> 8) ^ byte]
    return f"{register:04X}"


def modbus(segment: bytes) -> str:
    """The same of Modbus, which makers of devices take for it."""
    register = 0xFFFF
    for byte in segment:
        register = (register >> 8) ^ _STEPS[(register ^ byte) & 0xFF]
    return f"{register:04X}"
