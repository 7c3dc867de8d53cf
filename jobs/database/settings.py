"""The server's settings, as text for its configuration file."""

import os
from pathlib import Path

MB = 1 << 20
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def memory() -> int:
    """What this machine, or the container around us, lets us use. [bytes]"""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _CGROUP.read_text().strip() if _CGROUP.exists() else "max"
    return min(machine, int(limit)) if limit.isdecimal() else machine


def settings(memory: int, *, port: int, fast: bool) -> dict[str, str]:
    """Settings for `memory` [bytes], of which the service itself needs the greater part."""
    kept = "off" if fast else "on"
    return {
        "listen_addresses": "'127.0.0.1'",
        "port": str(port),
        "unix_socket_directories": "''",
        "shared_preload_libraries": "'timescaledb'",
        "timescaledb.telemetry_level": "off",
        # Each database with TimescaleDB takes a worker for its scheduler.
        "max_worker_processes": "32",
        # Who saves one series after another in one transaction may meet another; who lost does it again at once.
        "deadlock_timeout": "'200ms'",
        # A query takes a lock for each chunk and each of its indexes.
        "max_locks_per_transaction": "256",
        "shared_buffers": _share(memory, 8, most=2048),
        "effective_cache_size": _share(memory, 2, most=16384),
        "work_mem": _share(memory, 512, most=32),
        "maintenance_work_mem": _share(memory, 32, most=512),
        "max_wal_size": _share(memory, 6, most=4096, least=512),
        # LLVM is not unpacked.
        "jit": "off",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        # A file for each weekday, overwritten after a week: the logs do not grow.
        "logging_collector": "on",
        "log_directory": "'../log'",
        "log_filename": "'server-%a.log'",
        "log_truncate_on_rotation": "on",
        "log_rotation_size": "0",
        # Off is for tests only: a crash of the machine then ruins the data.
        "fsync": kept,
        "synchronous_commit": kept,
        "full_page_writes": kept,
        # Among a thousand databases of tests somebody would always be busy.
        "autovacuum": kept,
    }


def render(settings: dict[str, str]) -> str:
    """The text of a configuration file."""
    lines = [f"{name} = {value}" for name, value in settings.items()]
    note = "# Written at each start by Greenwatch. Your own settings: ALTER SYSTEM SET, which wins over this file."
    return "\n".join([note, *lines, ""])


def _share(memory: int, parts: int, *, most: int, least: int = 4) -> str:
    """One of so many `parts` of `memory` [bytes], between `least` and `most`. [MB]"""
    return f"{max(least, min(most, memory // parts // MB))}MB"
