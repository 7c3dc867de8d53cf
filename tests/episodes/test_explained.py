"""Why there is an episode or a score, as data and in words."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import polars as pl
import pytest

from analytics import detection, episodes, tables
from analytics.episodes.measures import MEASURES
from analytics.store import connection, fits
from analytics.store.connection import Connection
from jobs import relearn
from tests import world
from tests.conftest import NOW, Databases
from tests.world import HOUR, T0

CODES = "ABCDE"


def tell(conn: Connection) -> None:
    """Five stations within 5 km; A is foul for four hours in which the others are not, and all for four hours later."""
    series = world.settle_world(conn, [(code, "o3") for code in CODES])
    for number, code in enumerate(CODES):
        conn.execute(
            "UPDATE station SET longitude = 116.3, latitude = %s, utc_offset = 480, title = %s, title_zh = %s"
            " WHERE code = %s",
            [39.9 + number / 100, f"Park {code}", f"{code}公园", code],
        )
    world.send(conn, [(number, 0, 50.0, 0, None) for number in series])
    relearn.run(conn, NOW)
    blob = json.dumps({"profile": [50.0] * 48, "line": 60.0, "count": 200}).encode()
    start = T0 + 2 * HOUR
    made = pl.DataFrame({"subject": [1], "blob": [blob]}).with_columns(
        pl.col("subject").cast(pl.Int32), since=pl.lit(start - 24 * HOUR), valid_from=pl.lit(start)
    )
    fits.save(conn, "robust-seasonal", made, NOW, {})
    for number in series:
        foul = range(20, 24) if number > 1 else (*range(4, 8), *range(20, 24))
        rows = [(number, h, (310.0 if h == 5 else 250.0) if h in foul else 50.0 + h % 3, 0, None) for h in range(1, 40)]
        world.send(conn, rows)
    world.settle(conn)


@pytest.fixture
def store(databases: Databases) -> Iterator[Connection]:
    with closing(connection.connect(databases.copy("explained", "apache", tell))) as conn:
        yield conn


def sentences(conn: Connection, query: str) -> tuple[str, str]:
    rows: list[Any] = conn.execute(f"SELECT sentence, sentence_zh FROM report.explanation WHERE {query}").fetchall()
    [(english, chinese)] = rows
    return english, chinese


def test_what_is_its_own_is_said(store: Connection) -> None:
    english, chinese = sentences(store, "by = 'o3_1h' AND station = 'A' AND time < '2026-02-27T12:00Z'")
    assert english == (
        "ozone, hour at A Park A from 2026-02-27 12:00 to 2026-02-27 16:00: ozone (hour) reached 310 µg/m³ at"
        " 2026-02-27 13:00, where 200 is the line and 300 that of level 2. B, C, D, E around had 51 µg/m³ on average;"
        " 81 % of what was here lay above them: mostly its own."
    )
    assert chinese == (
        "A公园臭氧小时均值：2026-02-27 12:00至2026-02-27 16:00，臭氧小时均值最高310 µg/m³（2026-02-27 13:00），起始限值"
        "200，2级限值300。周边站点B, C, D, E平均51 µg/m³，本站81%高于周边：以本地为主。"
    )


def test_what_all_have_is_said_with_its_region(store: Connection) -> None:
    english, chinese = sentences(store, "by = 'o3_1h' AND station = 'B'")
    [(name,)] = store.execute("SELECT name FROM report.region WHERE rule = 'o3_1h'").fetchall()
    assert english.endswith(
        "0 % of what was here lay above them: mostly what all had."
        f" One of 5 stations of region {name}: number 1, 0 h after the first, of its core."
    )
    assert chinese.endswith("以区域背景为主。" + f"属区域过程{name}（共5站），到达次序1，晚于首站0小时，位于核心区。")


def test_a_score_says_what_is_usual_there(store: Connection) -> None:
    english, chinese = sentences(store, "kind = 'score' AND by = 'robust-seasonal' AND time = '2026-02-27T05:00Z'")
    assert english == (
        "ozone at A Park A, 2026-02-27 13:00: 310 µg/m³, where 50 is usual at that hour and 60 off it is the line."
        " 4.33 times the line of: what is usual at that hour of the week. B, C, D, E around had 52 µg/m³."
    )
    assert chinese.startswith("A公园臭氧，2026-02-27 13:00：实测310 µg/m³，该时段通常为50，偏离60即为异常。")


def test_a_jump_says_the_hour_before_and_its_line(store: Connection) -> None:
    [(series,)] = store.execute(
        "SELECT s.id FROM series s JOIN station t ON t.id = s.station WHERE t.code = 'A'"
    ).fetchall()
    store.execute("INSERT INTO term (kind, name) VALUES ('detector', 'swing')")
    store.execute(
        "INSERT INTO score (series, time, detector, value) SELECT %s, '2026-02-27T04:00Z', id, 2 FROM term"
        " WHERE name = 'swing'",
        [series],
    )
    english, chinese = sentences(store, "kind = 'score' AND by = 'swing'")
    assert (
        "250 µg/m³, where 50 was the hour before and 100 off it is the line. 2 times the line of: a jump that is"
        in english
    )
    assert "，前一小时为50，偏离100即为异常。为“相对水平突变”界限的2倍。" in chinese


@pytest.mark.parametrize(
    ("detector", "blob", "english", "chinese", "data"),
    [
        (  # of B and C, which have 51; E is around, but nothing was learned of it; 99 is not around
            "network",
            {"members": [2, 3, 99], "shifts": [5.0, -1.0, 500.0], "line": 30.0, "foot": None},
            ", where 53 is what those around say and 30 off it is the line.",
            "，按周边站点应为53，偏离30即为异常。",
            (53.0, 30.0),
        ),
        (  # the line grows with what they say
            "network",
            {"members": [2, 3], "shifts": [5.0, -1.0], "line": 0.5, "foot": 7.0},
            ", where 53 is what those around say and 30 off it is the line.",
            "，按周边站点应为53，偏离30即为异常。",
            (53.0, 30.0),
        ),
        (
            "stuck",
            {"line": 7.5},
            ", where 8 readings alike in a row are the line.",
            "，连续8个读数相同即为异常。",
            (None, 7.5),
        ),
        (
            "related",
            {"members": [9, 1], "centre": [3.0, 60.0]},
            ", where 60 is usual among its sensors.",
            "，同站各传感器中通常为60。",
            (60.0, None),
        ),
    ],
)
def test_a_score_says_what_was_expected_and_its_line(
    store: Connection, detector: str, blob: Any, english: str, chinese: str, data: tuple[float | None, ...]
) -> None:
    """Of station A, hour 4, in which it has 250 and the others 51."""
    made = pl.DataFrame({"subject": [1], "blob": [json.dumps(blob).encode()]}).with_columns(
        pl.col("subject").cast(pl.Int32), since=pl.lit(T0 - 24 * HOUR), valid_from=pl.lit(T0 + HOUR)
    )
    fits.save(store, detector, made, NOW, {})
    store.execute("INSERT INTO term (kind, name) VALUES ('detector', %s) ON CONFLICT DO NOTHING", [detector])
    store.execute(
        "INSERT INTO score (series, time, detector, value) SELECT 1, %s, id, 2 FROM term"
        " WHERE kind = 'detector' AND name = %s ON CONFLICT DO NOTHING",
        [T0 + 4 * HOUR, detector],
    )
    told, told_zh = sentences(store, f"kind = 'score' AND by = '{detector}' AND time = '2026-02-27T04:00Z'")
    assert f"250 µg/m³{english} 2 times the line of:" in told
    assert chinese in told_zh
    row = store.execute(
        "SELECT expected, line FROM report.score_explanation WHERE detector = %s AND time = %s",
        [detector, T0 + 4 * HOUR],
    ).fetchone()
    assert row == data


def test_every_detector_measure_and_what_is_said_has_words_in_both_languages() -> None:
    words: Any = tables.read("words")
    assert set(words) == {"detector", "measure", "said"}
    assert set(words["detector"]) == set(detection.SCORERS) | set(detection.MEMBERS)
    assert set(words["measure"]) == set(MEASURES) - {"value"}
    assert set(words["said"]) == set(episodes.SAID)
    for each in (*words["detector"].values(), *words["measure"].values(), *words["said"].values()):
        assert each["title"].isascii()
        assert each["title_zh"]


def test_no_term_of_a_rule_is_named_by_its_code(store: Connection) -> None:
    rows: list[Any] = store.execute("SELECT rule, term, words, words_zh FROM report.term_title").fetchall()
    assert len(rows) == sum(len(rule.terms) for rule in episodes.load().values())
    assert [row for row in rows if re.search("_|/", row[2]) or re.search("[a-z]_|/", row[3])] == []


def test_a_device_and_a_forecast_are_called_so(store: Connection) -> None:
    """Nothing is asked of what nobody measured; every episode has its sentence in both languages."""
    world.send(store, [(2, h, 66.0, 0, None) for h in range(40, 90)])
    world.settle(store)
    english, chinese = sentences(store, "by = 'stuck_o3' AND station = 'B'")
    assert english.endswith("A device may be at fault.")
    assert chinese.endswith("设备可能异常。")
    rows: list[Any] = store.execute(
        "SELECT count(*), count(nullif(sentence, '')), count(nullif(sentence_zh, '')), count(seen)"
        " FROM report.explanation"
    ).fetchall()
    [(every, *said)] = rows
    assert said == [every] * 3
