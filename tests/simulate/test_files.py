"""`greenwatch simulate files` and `truth`: files that go in without a reject, and say what they are."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from analytics import ingest as formats
from analytics.store import register as reading
from analytics.store.connection import Connection
from analytics.synthetic import District
from jobs import console, register
from jobs.intake import Intake, Order
from jobs.simulate import app, files
from jobs.simulate.options import continued
from jobs.steps import seconds
from tests.simulate.sending import KEY, MINUTE, STOP


def test_the_files_hold_what_was_sent_by_then_and_each_row_once(made: District, folder: Path) -> None:
    for name, cadence in files.CADENCES.items():
        start = STOP - timedelta(days=1 if name == "1m" else 3)
        fresh, late = (pl.read_parquet(folder / f"{kind}-{name}.parquet") for kind in ("readings", "late"))
        assert fresh.select(KEY).is_unique().all()
        whole = made.readings(start, STOP, cadence)
        known = pl.concat([fresh, late])
        assert whole.join(known, on=[*KEY, "value"], how="semi").height == known.unique().height
        waiting = whole.join(known, on=KEY, how="anti")
        still = {one.station for one in made.happenings(STOP, STOP + MINUTE) if one.kind == "late"}
        assert waiting["station"].is_in(list(still)).all()
        assert known["time"].min() == start.replace(minute=20 if name != "4h" else 0, hour=8 if name == "4h" else 4)


def test_the_same_order_writes_the_same_bytes(made: District, folder: Path, tmp_path: Path) -> None:
    files.write(tmp_path, files.plan(made, STOP, days=3, minutes=1))
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_the_folder_says_that_it_is_synthetic_and_what_it_is(folder: Path) -> None:
    said = (folder / "README.txt").read_text(encoding="utf-8")
    assert "SYNTHETIC" in said
    assert "合成" in said
    assert "SYNTHETIC" in (folder / files.MANIFEST).read_text(encoding="utf-8")
    assert continued(folder / files.MANIFEST) == (District(11, STOP), STOP)
    forecast = pl.read_csv(folder / "weather_forecast.csv")
    assert forecast.columns == ["station", "parameter", "issued", "valid", "value"]
    assert forecast["issued"].n_unique() == 12
    truth = pl.read_csv(folder / "truth.csv")
    assert truth.columns[:7] == ["kind", "class", "domain", "station", "parameter", "start", "stop"]
    assert "haze" in truth["kind"]


def test_the_files_go_in_without_a_reject(conn: Connection, folder: Path) -> None:
    for name in ("stations.csv", "zones.csv"):
        draft = reading.read((folder / name).read_bytes(), name, *register.rules(conn))
        register.write(conn, draft)
        assert not register.look(conn, draft).changes
    rows = 0
    for name in files.CADENCES:
        for kind in ("readings", "late"):
            path = folder / f"{kind}-{name}.parquet"
            if kind == "readings":
                assert formats.recognise(formats.Source(path)) == "long"
            counts = Intake(conn, Order(format="long", source="synthetic", cadence=seconds(name))).file(path)
            assert counts.rejects == counts.missing == counts.conflicts == counts.replaced == 0
            assert counts.read == pl.scan_parquet(path).select(pl.len()).collect().item()
            rows += counts.new
    stored = conn.execute("SELECT count(*), count(DISTINCT series) FROM observation").fetchone()
    registered = conn.execute("SELECT count(*) FROM series").fetchone()
    assert stored is not None
    assert registered is not None
    assert stored[0] == rows > 300_000
    assert stored[1] == registered[0] == 468
    places = conn.execute("SELECT DISTINCT kind FROM membership ORDER BY 1").fetchall()
    assert [kind for (kind,) in places] == ["district", "grid", "noise_zone", "river", "street", "water_body"]


def test_the_command_writes_a_folder(tmp_path: Path) -> None:
    words = ["files", str(tmp_path / "new"), "--seed", "2", "--days", "1", "--minutes", "0", "--episode", "now"]
    done = CliRunner().invoke(app, [*words, "--end", "2026-02-01T08:00+08:00"])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(tmp_path / "new")
    assert "SYNTHETIC DATA" in done.stderr
    assert "合成" in done.stderr
    assert pl.read_parquet(tmp_path / "new" / "readings-1m.parquet").is_empty()
    assert "episode = 2026-02-01T00:00:00+00:00" in (tmp_path / "new" / files.MANIFEST).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    [
        ["files", "somewhere", "--end", "2026-02-01T08:00"],
        ["files", "somewhere", "--end", "tomorrow"],
        ["files", "somewhere", "--episode", "soon"],
        ["live", "--speed", "10"],
        ["truth", "--from", "2090-01-01T00:00Z"],
        ["live", "--from", "2090-01-01T00:00Z"],
    ],
)
def test_a_wrong_use_is_refused(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, words).exit_code == 2
    assert not list(tmp_path.iterdir())


def test_the_truth_of_what_is_sent_live_can_be_asked_for(folder: Path) -> None:
    until = STOP + timedelta(days=2)
    words = ["truth", "--like", str(folder / files.MANIFEST), "--to", until.isoformat()]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    found = pl.read_csv(done.stdout.encode(), try_parse_dates=True)
    assert found["start"].min() == STOP
    assert (found["stop"] <= until).all()
    assert {"haze", "spike"} <= set(found["kind"])


def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "district.toml"
    for text in ("seed = 1\n", "no toml", ""):
        path.write_text(text)
        with pytest.raises(console.NotAsAsked, match="simulate files"):
            continued(path)
