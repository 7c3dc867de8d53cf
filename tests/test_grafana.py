"""What Grafana makes of a query before it sends it: vectors for `tests/grafana.py`."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.grafana import AllValue, Frame, UnknownMacro, written

THEN = Frame(
    datetime(2018, 4, 12, 18, tzinfo=UTC),
    datetime(2018, 4, 12, 19, tzinfo=UTC),
    {"one": "O'HARE", "many": ["a", "b'c"], "none": []},
    timedelta(minutes=10),
)


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("$__timeFilter(t)", "t BETWEEN '2018-04-12T18:00:00Z' AND '2018-04-12T19:00:00Z'"),
        ("$__timeFrom() $__timeTo()", "'2018-04-12T18:00:00Z' '2018-04-12T19:00:00Z'"),
        ("$__timeGroup(t,'5m')", "time_bucket('300.000s',t)"),
        ("$__timeGroupAlias(t, '5m')", "time_bucket('300.000s',t) AS \"time\""),
        ("$__timeGroupAlias(t,'$__interval')", "time_bucket('600.000s',t) AS \"time\""),
        ("$__interval $__interval_ms", "10m 600000"),
        ("$__time(t)", 't AS "time"'),
        ("$__timeEpoch(t)", 'extract(epoch from t) as "time"'),
        ("$__unixEpochFilter(t)", "t >= 1523556000 AND t <= 1523559600"),
        ("$__unixEpochGroup(t,5m)", "floor((t)/300)*300"),
        ("$__unixEpochFrom()", "1523556000"),
        ("= '$one'", "= 'O''HARE'"),
        ("= ${one:sqlstring}", "= 'O''HARE'"),
        ("IN ($many)", "IN ('a','b''c')"),
        ("IN ([[many]])", "IN ('a','b''c')"),
        ("IN (${many:sqlstring})", "IN ('a','b''c')"),
        # the first parenthesis that closes ends the macro: why none of ours is nested
        ("$__timeGroup(date_trunc('hour', t),'5m')", None),
    ],
)
def test_what_grafana_makes_of_a_query(query: str, sent: str | None) -> None:
    if sent is None:
        with pytest.raises(ValueError, match="no interval"):
            THEN.sql(query)
    else:
        assert THEN.sql(query) == sent


def test_without_timescale_a_group_is_arithmetic() -> None:
    plain = Frame(THEN.start, THEN.stop, timescale=False)
    assert plain.sql("$__timeGroup(t,'5m')") == "floor(extract(epoch from t)/300)*300"


def test_a_macro_that_grafana_does_not_know() -> None:
    with pytest.raises(UnknownMacro, match="__timeGruop"):
        THEN.sql("$__timeGruop(t,'5m')")
    with pytest.raises(KeyError):
        THEN.sql("$station")


def test_where_all_are_chosen_and_not_named_no_format_touches_what_is_said_instead() -> None:
    frame = Frame(THEN.start, THEN.stop, {"all": AllValue("''")})
    assert frame.sql("IN (${all:sqlstring}) OR $all") == "IN ('') OR ''"


def test_a_regular_expression_of_values() -> None:
    assert written("a.b/c", "regex") == r"a\.b\/c"
    assert written(["a", "b|c"], "regex") == r"(a|b\|c)"
    assert THEN.promql("x[$__rate_interval] $__range $__interval") == "x[605s] 3600s 10m"
