"""Connections of a server, for all who ask it."""

from collections.abc import Callable

from psycopg_pool import ConnectionPool

from analytics.store.connection import Connection, adapt, arguments


def pool(
    dsn: str,
    size: int,
    options: str,
    patience: float,
    *,
    application: str = "greenwatch serve",
    configure: Callable[[Connection], None] = adapt,
) -> ConnectionPool[Connection]:
    """At most `size` connections to the store `dsn`, none yet; who waits for one gives up after `patience` [s]."""
    return ConnectionPool(
        dsn,
        kwargs=arguments(application=application, options=options),
        min_size=1,
        max_size=size,
        timeout=patience,
        configure=configure,
        check=ConnectionPool.check_connection,
        open=False,
    )
