"""Files of water, soil and weather under ../shared/data: the same however they are cut; their flags and their steps."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from analytics.ingest import Source, UnreadableSource
from tests.conftest import needs_shared
from tests.ingest.listed import Listed, listed
from tests.ingest.reading import DATA, held, same, whole

FOLDERS = (
    *("airgr-hourly-basin", "aquacrop-tunis", "driftr-sonde", "gecco2018-water", "kansas-other", "lamprey-river"),
    *("neon-pringle-creek", "oddwater", "pyfao56", "refet-fallon", "swmp-apalachicola", "ufz-saqc", "uscrn"),
)
OURS = [entry for entry in listed() if entry.path.startswith(FOLDERS)]


@needs_shared
@pytest.mark.parametrize(
    "entry", [entry for entry in OURS if "parquet" not in entry.path], ids=lambda entry: entry.path
)
def test_a_set_is_the_same_however_it_is_cut(entry: Listed) -> None:
    path = entry.files[0]
    content = b"".join(unpacked(path).splitlines(keepends=True)[:150])
    once = whole(held(content, path=path), entry.format)
    assert once.cells.height
    assert same(once, whole(held(content, *range(1709, len(content), 1709), path=path), entry.format))


def unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


@needs_shared
def test_flags_of_the_sonde_are_marks_and_flagged_values_stay() -> None:
    path = DATA / "swmp-apalachicola" / "apacpwq.parquet"
    cells = whole(Source(path), "swmp").cells
    frame = pl.read_parquet(path)
    for column, channel in (("ph", "ph"), ("do_mgl", "dissolved_oxygen"), ("turb", "turbidity")):
        marks = cells.filter(channel=channel)["mark"]
        flags = frame.filter(pl.col(column).is_not_null())[f"f_{column}"].drop_nulls()
        for flag, mark in {"<-3>": "D", "<1>": "S", "<0>": "N"}.items():
            assert (marks == ord(mark)).sum() == flags.str.starts_with(flag).sum()
    # The README: 5,646 of the 5,647 rejected values of pH are still in the file.
    assert (cells.filter(channel="ph")["mark"] == ord("D")).sum() == 5_646


@needs_shared
def test_the_records_of_a_new_program_are_a_quarter_of_an_hour() -> None:
    """The logger began anew in March 2022; its stamps have 3,827 steps of an hour and 12,656 of a quarter of one."""
    rain = whole(Source(next(DATA.glob("kansas-other/flickner_toa5*.csv.gz"))), "toa5").cells.filter(channel="rain")
    steps = rain["time"].sort().diff().dt.total_seconds().drop_nulls().value_counts(sort=True)
    assert steps.rows()[:2] == [(900, 12_656), (3600, 3827)]
    assert rain["time"].n_unique() == rain.height == 16_487


# Traps, each in a few lines that were written for it.


def read(text: str, format: str, name: str = "held.csv") -> tuple[list[tuple[str, str, float]], list[str]]:
    """Channel, time and value of the cells of a small file, and why others are none."""
    found = whole(held(text.encode(), path=Path(name)), format)
    cells = found.cells.sort("time", "channel").select("channel", pl.col("time").dt.strftime("%d %H:%M"), "value")
    return cells.rows(), [*found.rejects["reason"]]


def test_the_doubled_hour_of_drinking_water_is_two_hours_and_its_label_is_not_read() -> None:
    header = '"","Time","Tp","Cl","pH","Redox","Leit","Trueb","Cl_2","Fm","Fm_2","EVENT"\n'
    stamps = ("2016-10-30 01:59:00", "2016-10-30 02:30:00", "2016-10-30 02:30:00", "2016-10-30 03:00:00")
    lines = [
        f'"{n}",{stamp},{n},{"NA," * 8}{event}' for n, (stamp, event) in enumerate(zip(stamps, "TFTF", strict=True))
    ]
    cells, reasons = read(header + "\n".join(lines), "gecco-water")
    assert [time for _, time, _ in cells] == ["29 23:59", "30 00:30", "30 01:30", "30 02:00"]
    assert [(channel, value) for channel, _, value in cells] == [("water_temperature", n) for n in range(4)]
    assert reasons == []


def test_the_hour_that_a_clock_shows_twice_once_is_nobodys() -> None:
    lines = [
        "2015,11,01,00,50,40,0,1",
        "2015,11,01,01,50,40,0,1",
        "2015,11,01,02,-999,40,0,1",
        "2015,03,08,02,50,40,0,1",
    ]
    cells, reasons = read("YEAR,MONTH,DAY,HOUR,OB,TP,WS,SI\n" + "\n".join(lines), "agrimet", "FALN_Agrimet.csv")
    assert [time for channel, time, _ in cells if channel == "dew_point"] == ["01 06:00", "01 09:00"]
    assert [value for channel, _, value in cells if channel == "air_temperature"] == [10.0]
    assert reasons.count("time that the clock shows twice") == reasons.count("time that the clock skips") == 4


def test_a_flag_that_nobody_knows_is_no_mark() -> None:
    names = (
        "Temp",
        "SpCond",
        "Sal",
        "DO_Pct",
        "DO_mgl",
        "Depth",
        "cDepth",
        "Level",
        "cLevel",
        "pH",
        "Turb",
        "ChlFluor",
    )
    header = "StationCode,isSWMP,DateTimeStamp,Historical,ProvisionalPlus,F_Record," + ",".join(
        f"{name},F_{name}" for name in names
    )
    flags = ["<0> ", "<1> [SDO] (CCU)", "<-3> [GQR]", "<5>", "<-4>", "<3>", "<9>", "<-1>", "", "<0>", "<0>", "<-1>"]
    cells = ",".join(
        f"{'' if name == 'pH' else n},{flag}" for n, (name, flag) in enumerate(zip(names, flags, strict=True))
    )
    found = whole(
        held(f"{header}\ngndblwq   ,P,7/2/2021 0:15,1,1,,{cells}\n".encode(), path=Path("gndblwq.csv")), "swmp"
    )
    marks = dict(found.cells.select("channel", "mark").rows())
    wanted = {"water_temperature": "N", "conductivity": "S", "salinity": "D", "oxygen_saturation": "S"}
    wanted |= {"dissolved_oxygen": "T", "water_depth": "", "turbidity": "N"}
    assert marks == {channel: ord(mark) if mark else None for channel, mark in wanted.items()}
    assert (found.missing, [*found.rejects["channel"]]) == (1, ["water_depth:corrected"])
    assert {str(time) for time in found.cells["time"]} == {"2021-07-02 06:15:00+00:00"}


def test_a_line_of_units_is_no_row() -> None:
    sonde = "Date,Time,Temp,SpCond,pH,pHmV,Chloride,AmmoniumN,NitrateN,Turbidity+,DO \r\n"
    sonde += "M/D/Y,hh:mm:ss,C,mS/cm,,mV,,,,NTU,%\r\n"
    cells, reasons = read(
        sonde + "9/18/2015,12:10:49,14.76,0.754,7,-36,51,3,0,-0.2,92\r\n", "driftr-sonde", "rawData.csv"
    )
    assert len(cells) == 8
    assert {time for _, time, _ in cells} == {"18 17:10"}
    assert reasons == []


def test_a_column_that_nobody_named_is_not_left_out() -> None:
    with pytest.raises(UnreadableSource, match="says nothing of the column 'extra'"):
        read("Timestamp,Level,Cond,Tur,Extra\n", "oddwater")
