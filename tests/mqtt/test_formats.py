"""Topics, uplinks and plain JSON: bytes and words in, fields and lines out."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.ingest import uplinks
from analytics.telemetry.mqtt import plain
from analytics.telemetry.mqtt.nodes import Node
from analytics.telemetry.mqtt.topics import NoPattern, pattern
from analytics.telemetry.mqtt.uplinks import NoUplink, Uplink, parse

FORMS = uplinks.known()
#: ChirpStack 4, Integrations, Event types, `up` - Uplink event: what is printed there but for its gateways. The page's
#: device has no codec, and its first frame no counter: zero is left out.
CHIRPSTACK: dict[str, Any] = {
    "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
    "time": "2022-07-18T09:34:15.775023242+00:00",
    "deviceInfo": {
        "tenantName": "ChirpStack",
        "applicationId": "17c82e96-be03-4f38-aef3-f83d48582d97",
        "deviceName": "Test device",
        "devEui": "0101010101010101",
        "tags": {"key": "value"},
    },
    "devAddr": "00189440",
    "dr": 1,
    "fPort": 1,
    "data": "qg==",
    "rxInfo": [{"gatewayId": "0016c001f153a14c", "uplinkId": 4217106255, "rssi": -36, "snr": 10.5}],
}
#: The Things Stack, Concepts, Data formats, Uplink messages: the JSON printed there, times it cuts short written out.
THINGS: dict[str, Any] = {
    "end_device_ids": {
        "device_id": "dev1",
        "application_ids": {"application_id": "app1"},
        "dev_eui": "0004A30B001C0530",
        "join_eui": "800000000000000C",
        "dev_addr": "00BCB929",
    },
    "received_at": "2020-02-12T15:15:45.787Z",
    "uplink_message": {
        "session_key_id": "AXA50...",
        "f_cnt": 1,
        "f_port": 1,
        "frm_payload": "gkHe",
        "decoded_payload": {"temperature": 1.0, "luminosity": 0.64},
    },
}
WHEN = datetime(2022, 7, 18, 9, 34, 15, 775023, UTC)


def said(form: str, message: dict[str, Any], **more: Any) -> Uplink:
    return parse(json.dumps({**message, **more}).encode(), FORMS[form])


def test_the_printed_uplink_of_chirpstack() -> None:
    with pytest.raises(NoUplink, match="no decoded fields in object"):
        said("chirpstack", CHIRPSTACK)
    found = said("chirpstack", CHIRPSTACK, object={"soil": [20.5, "wet"], "Battery": None, "on": True}, fCnt=10)
    fields = {"soil.0": "20.5", "soil.1": "wet", "battery": None, "on": "true"}
    assert found == Uplink("0101010101010101", "00189440", 10, CHIRPSTACK["time"], fields)
    assert said("chirpstack", CHIRPSTACK, object={}).counter == 0
    assert uplinks.moments([found]) == [WHEN]


def test_the_printed_uplink_of_the_things_stack() -> None:
    found = said("things-stack", THINGS)
    fields = {"temperature": "1.0", "luminosity": "0.64"}
    assert found == Uplink("0004a30b001c0530", "AXA50...", 1, "2020-02-12T15:15:45.787Z", fields)
    assert said("things-stack", THINGS, end_device_ids={"device_id": "Dev1"}).node == "dev1"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\xff", "not UTF-8"),
        (b"", "no JSON"),
        (b'{"object": NaN}', "no JSON"),
        (b"[" * 50_000, "no JSON"),
        (b'{"deviceInfo": ' * 5000 + b"1" + b"}" * 5000, "no JSON"),
        (b"[]", "names no sensor"),
        (b'{"deviceInfo": {"devEui": " "}}', "names no sensor"),
        (b'{"deviceInfo": {"devEui": ["x"]}}', "unreadable sensor"),
        (b'{"deviceInfo": {"devEui": "a\\u0000b"}, "object": {}}', "unreadable sensor"),
        (b'{"deviceInfo": {"devEui": "a"}, "object": {}, "fCnt": -1}', "unreadable frame counter"),
        (b'{"deviceInfo": {"devEui": "a"}, "object": {}, "fCnt": 1e3}', "unreadable frame counter"),
        (b'{"deviceInfo": {"devEui": "a"}, "object": {}, "fCnt": 4294967296}', "unreadable frame counter"),
        (b'{"deviceInfo": {"devEui": "a"}, "object": {"x": 1, "X": 2}}', "the field x is there twice"),
        (b'{"deviceInfo": {"devEui": "a"}, "object": {"": 1}}', "a field without a readable name"),
        (b'{"deviceInfo": {"devEui": "a"}, "object": ' + b'{"x":' * 9 + b"1" + b"}" * 10, "fields lie deeper than 8"),
        (b'{"deviceInfo": {"devEui": "a"}, "object": {"x": [' + b"1," * 256 + b"1]}}", "more than 256 fields"),
    ],
)
def test_what_is_no_uplink_says_why(raw: bytes, reason: str) -> None:
    with pytest.raises(NoUplink, match=reason):
        parse(raw, FORMS["chirpstack"])


@pytest.mark.parametrize(
    ("form", "message", "mine"), [("chirpstack", CHIRPSTACK, "0101010101010101"), ("things-stack", THINGS, "DEV1")]
)
def test_a_topic_speaks_for_no_other_sensor(form: str, message: dict[str, Any], mine: str) -> None:
    raw = json.dumps({**message, "object": {"x": 1}}).encode()
    assert parse(raw, FORMS[form], {"node": mine}) == parse(raw, FORMS[form], {})
    with pytest.raises(NoUplink, match="its topic names another sensor"):
        parse(raw, FORMS[form], {"node": mine[:-1] + "2"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300)
@given(st.binary() | st.builds(lambda x: json.dumps({"deviceInfo": {"devEui": "a"}, "object": x}).encode(), JSON))
def test_any_bytes_are_an_uplink_or_a_reason(raw: bytes) -> None:
    try:
        found = parse(raw, FORMS["chirpstack"])
    except NoUplink:
        return
    node = Node("a", "A", channels=dict.fromkeys(found.fields, "pm25"))
    batch = uplinks.batch([uplinks.Said("1:2", found, node, WHEN, WHEN)], None)
    assert batch.read == len(found.fields) <= 256


def test_fields_become_cells_in_the_unit_of_the_parameter_and_strangers_rejects() -> None:
    node = Node(
        "a",
        "A",
        600,
        {"soil": "soil_moisture@-0.1", "t": "air_temperature", "v": ""},
        {"soil": "%", "t": "°F"},
        (-1.0,),
    )
    up = said("chirpstack", CHIRPSTACK, object={"soil": 25, "t": "50", "v": 3.6, "new": 7, "state": "fine"})
    one = uplinks.Said("1:2", up, node, WHEN + timedelta(seconds=1), WHEN)
    batch = uplinks.batch([one], 600)
    assert batch.cells.select("station", "channel", "time", "value").rows() == [
        ("A", "soil_moisture@-0.1", WHEN, 0.25),
        ("A", "air_temperature", WHEN, 10.0),
    ]
    assert batch.rejects.select("channel", "text", "place", "reason").rows() == [
        ("new", "7", "mqtt 1:2", "no channel for the field new")
    ]
    assert batch.stations == {"A": {"cadence": 600}}
    void = one._replace(uplink=up._replace(fields={"soil": "-1", "t": None, "T": None}))
    assert (uplinks.batch([void], 600).missing, uplinks.batch([void], 600).read) == (2, 2)
    late = one._replace(time=None, uplink=up._replace(time="yesterday", fields={"t": "1"}))
    assert uplinks.batch([late], None).rejects["reason"].to_list() == ["unreadable time"]


def test_the_first_of_a_frame_is_within_two_minutes() -> None:
    there = [WHEN + timedelta(seconds=90), WHEN, WHEN + timedelta(hours=1)]
    assert uplinks.first(WHEN + timedelta(seconds=30), there) == WHEN
    assert uplinks.first(WHEN + timedelta(minutes=59, seconds=30), there) == there[2]
    assert uplinks.first(WHEN + timedelta(minutes=30), there) is None


@pytest.mark.parametrize(
    ("text", "filter", "topic", "said"),
    [
        ("sensors/<station>/<channel>", "sensors/+/+", "sensors/A 1/pm25", {"station": "A 1", "channel": "pm25"}),
        ("a/+/up", "a/+/up", "a/b/up", {}),
        ("a/#", "a/#", "a", {}),
        ("a/#", "a/#", "a/b/c", {}),
        ("a/<station>/#", "a/+/#", "a/x/y/z", {"station": "x"}),
        ("a/b", "a/b", "a/b/c", None),
        ("a/b/c", "a/b/c", "a/b", None),
        ("+", "+", "", {}),
    ],
)
def test_a_pattern_reads_its_topics(text: str, filter: str, topic: str, said: dict[str, str] | None) -> None:
    found = pattern(text)
    assert (found.filter, found.said(topic)) == (filter, said)


@pytest.mark.parametrize("text", ["", "a/#/b", "a+/b", "a/b#", "<city>/x", "<station>/<station>", "a\0b", "x" * 600])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(NoPattern):
        pattern(text)


def test_plain_json_takes_what_its_topic_says_and_refuses_another() -> None:
    topic = {"station": "A", "channel": "pm25"}
    one = b'{"time":"t","value":0.10,"parameter":"pm25"}'
    assert plain.lines(one, topic).lines == [b'{"time":"t","value":0.1,"station":"A","channel":"pm25"}']
    assert len(plain.lines(b"[" + one + b"," + one + b"]", topic).lines) == 2
    assert len(plain.lines(one + b"\n" + one + b"\r\n\n", {}).lines) == 2
    forged = plain.lines(b'{"station":"B","value":1}', topic)
    assert (forged.lines, [reason for _, reason in forged.refused]) == ([], ["its topic names another station"])
    assert plain.lines(b"35.2", topic).lines == [b"35.2"]
    assert plain.lines(b"{oops", topic).lines == [b"{oops"]
    assert plain.lines(b"", topic).lines == []


def test_a_mark_of_the_encoding_says_nothing_wherever_it_stands_among_others() -> None:
    """At the beginning of all lines a reader takes it for what it is, amid them for rubbish: order would count."""
    line = b'{"station":"A","channel":"pm25","time":"2026-06-01T00:00:00Z","value":1}'
    for payload in (b"\xef\xbb\xbf" * 2 + line, b"x\n\xef\xbb\xbf" + line, b"x\n\xef\xbb\xbfy"):
        assert not any(b"\xef" in one for one in plain.lines(payload, {}).lines)


@settings(max_examples=200)
@given(st.binary(max_size=200) | st.builds(lambda x: json.dumps(x).encode(), JSON))
def test_any_bytes_are_lines_none_of_which_holds_another(raw: bytes) -> None:
    found = plain.lines(raw, {"station": "A"})
    assert all(b"\n" not in line for line in found.lines)
