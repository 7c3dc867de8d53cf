"""What is acknowledged is on the disk; what is refused left nothing; who comes later finds it so."""

import errno
import os
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from analytics import spool
from analytics.spool import Place, Spool, framing
from tests.spool.folders import T, everything, files, plain, put, said


class Held:
    """`os.fsync` of a disk that was `asked` and answers when it may `go`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked, self.go, self._sync = Event(), Event(), os.fsync
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, file: int) -> None:
        self.asked.set()
        assert self.go.wait(20)
        self._sync(file)


def test_nothing_is_acknowledged_before_the_disk_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Spool(tmp_path / "s") as owner:
        put(owner, said(1))
        held = Held(monkeypatch)
        future = owner.append(b"slow", {}, T)
        assert held.asked.wait(20)
        assert not future.done()
        assert owner.number == 1
        assert spool.read(tmp_path / "s", None, 9, upto=owner.end).records[-1].payload != b"slow"
        assert not owner.wait(owner.end, 0.01)
        held.go.set()
        assert future.result(20) == owner.end
        assert owner.wait(None, 0)


def test_those_who_wait_share_one_turn_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = os.fsync

    def slow(number: int) -> None:
        time.sleep(0.03)
        ask(number)

    with Spool(tmp_path / "s") as owner:
        put(owner, said(1))
        before = owner.figures.syncs
        monkeypatch.setattr(os, "fsync", slow)
        with ThreadPoolExecutor(40) as pool:
            places = list(pool.map(lambda each: owner.append(*each).result(20), said(120)))
        assert len(set(places)) == 120
        assert owner.figures.syncs - before < 30
        assert owner.figures.sync_seconds > 0.03
        assert owner.figures.appended == 121


def test_the_first_who_waits_does_not_wait_for_others(tmp_path: Path) -> None:
    """The bound is 50 ms and the disk; of many tries one is not disturbed by whatever else the machine does."""
    with Spool(tmp_path / "s") as owner:
        put(owner, said(1))
        taken = []
        for each in said(20):
            began = time.perf_counter()
            owner.append(*each).result(20)
            taken.append(time.perf_counter() - began)
        assert min(taken) < 0.05


def test_many_threads_append_at_once(tmp_path: Path) -> None:
    """Each gets a place of its own; of one thread they follow the order of its appends; nothing is lost or doubled."""
    with Spool(tmp_path / "s", most=5000) as owner:

        def work(thread: int) -> list[Place]:
            return put(owner, said(100, first=thread * 1000))

        with ThreadPoolExecutor(8) as pool:
            places = list(pool.map(work, range(8)))
    for mine in places:
        assert mine == sorted(mine)
    found = everything(tmp_path / "s")
    assert sorted(record.payload for record in found) == [
        payload for thread in range(8) for payload, _, _ in said(100, first=thread * 1000)
    ]
    of = {record.payload: record.place for record in found}
    for thread, mine in enumerate(places):
        assert mine == [of[payload] for payload, _, _ in said(100, first=thread * 1000)]


def test_one_owner_a_folder(tmp_path: Path) -> None:
    with Spool(tmp_path / "deep" / "down") as owner:
        put(owner, said(1))
        with pytest.raises(spool.InUse, match="down"):
            Spool(tmp_path / "deep" / "down")
        put(owner, said(1))  # the one who was refused has changed nothing
    with Spool(tmp_path / "deep" / "down") as owner:
        assert owner.number == 2


def test_a_closed_spool_takes_nothing_and_keeps_what_it_took(tmp_path: Path) -> None:
    owner = Spool(tmp_path / "s")
    waiting = [owner.append(*each) for each in said(500)]
    owner.close()
    owner.close()
    assert all(future.done() for future in waiting)
    assert len(everything(tmp_path / "s")) == 500
    with pytest.raises(spool.Closed):
        owner.append(b"late", {}, T).result(1)


def test_a_record_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "LARGEST", 1000)
    with Spool(tmp_path / "s") as owner:
        with pytest.raises(spool.TooLarge, match="1,001 bytes"):
            owner.append(b"x" * 1001, {}, T).result(1)
        with pytest.raises(spool.TooLarge, match="head"):
            owner.append(b"", {"a": "x" * 70_000}, T).result(1)
        put(owner, [(b"x" * 1000, {}, T)])
    assert [len(record.payload) for record in everything(tmp_path / "s")] == [1000]


def test_who_does_not_keep_up_is_refused_and_not_remembered_without_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from analytics.spool import writing

    monkeypatch.setattr(writing, "_WAITING", 1000)
    go, ask = Event(), os.fsync
    with Spool(tmp_path / "s") as owner:
        put(owner, said(1))
        monkeypatch.setattr(os, "fsync", lambda number: (go.wait(20), ask(number)))
        waiting = [owner.append(*each) for each in said(50)]
        refused = [future for future in waiting if future.done()]
        assert refused
        assert all(isinstance(future.exception(), spool.Full) for future in refused)
        assert owner.figures.refused == len(refused)
        go.set()
        kept = [future.result(20) for future in waiting if future not in refused]
    assert len(everything(tmp_path / "s")) == 1 + len(kept)


def test_who_is_gone_before_the_turn_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Spool(tmp_path / "s") as owner:
        put(owner, said(1))
        held = Held(monkeypatch)
        first = owner.append(b"first", {}, T)
        assert held.asked.wait(20)
        second = owner.append(b"second", {}, T)
        assert second.cancel()
        assert not first.cancel()
        held.go.set()
    assert [record.payload for record in everything(tmp_path / "s")][1:] == [b"first"]


class Disk:
    """`os.write` of a disk that has `left` bytes, or fails with `number` once there are none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self.left, self.number, self._write = 10**9, number, os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, file: int, data: bytes) -> int:
        if self.left <= 0:
            raise OSError(self.number, os.strerror(self.number))
        written = self._write(file, data[: self.left])
        self.left -= written
        return written


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("left", [0, 1, 30, 150])
def test_a_full_disk_is_refused_and_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, left: int
) -> None:
    with Spool(tmp_path / "s") as owner:
        before = put(owner, said(3))
        disk = Disk(monkeypatch, number)
        disk.left = left
        refused = [owner.append(b"y" * 300, {}, T) for _ in range(3)]
        for future in refused:
            with pytest.raises(spool.Full, match=os.strerror(number)):
                future.result(20)
        assert (owner.figures.full, owner.figures.refused) == (True, 3)
        assert plain(everything(tmp_path / "s")) == said(3)
        assert sum(file.stat().st_size for file in files(tmp_path / "s")) == before[-1].offset  # nothing half-written
        disk.left = 10**9
        after = put(owner, said(2, first=3))
        assert not owner.figures.full
    found = spool.read(tmp_path / "s", None, 99)
    assert plain(found.records) == said(5)
    assert found.damages == []
    assert after[0].segment > before[-1].segment


def test_a_disk_that_fails_is_not_taken_for_a_full_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After fsync failed the system counts the bytes as written: asked again it would say that all is well."""
    ask, broken = os.fsync, [False]

    def fails(number: int) -> None:
        if broken[0]:
            raise OSError(errno.EIO, "Input/output error")
        ask(number)

    with Spool(tmp_path / "s") as owner:
        put(owner, said(2))
        monkeypatch.setattr(os, "fsync", fails)
        broken[0] = True
        with pytest.raises(spool.Failed, match="Input/output"):
            owner.append(b"lost", {}, T).result(20)
        assert not owner.figures.full
        broken[0] = False
        put(owner, said(1, first=2))
    assert plain(everything(tmp_path / "s")) == said(3)
    assert len(files(tmp_path / "s")) == 2


def test_room_is_for_all_segments_and_comes_back_with_them(tmp_path: Path) -> None:
    with Spool(tmp_path / "s", most=1000, room=5000) as owner:
        waiting = [owner.append(*each) for each in said(100)]
        kept = [future.result() for future in waiting if future.exception(20) is None]
        assert 20 < len(kept) < 60
        with pytest.raises(spool.Full, match="5,000 bytes"):
            owner.append(*said(1)[0]).result(20)
        assert sum(file.stat().st_size for file in files(tmp_path / "s")) <= 5000
        spool.keep(tmp_path / "s", kept[-1], T + timedelta(days=36_500))
        put(owner, said(5))
        assert not owner.figures.full


def test_a_folder_that_cannot_be_used_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Spool(tmp_path / "file" / "s")


def test_a_waiter_is_woken_by_the_next_record_and_by_the_end(tmp_path: Path) -> None:
    owner = Spool(tmp_path / "s")
    (place,) = put(owner, said(1))
    heard: Future[bool] = Future()
    thread = threading.Thread(target=lambda: heard.set_result(owner.wait(place, 20)))
    thread.start()
    put(owner, said(1))
    assert heard.result(20)
    thread.join()
    over: Future[bool] = Future()
    thread = threading.Thread(target=lambda: over.set_result(owner.wait(owner.end, 20)))
    thread.start()
    owner.close()
    assert not over.result(10)
    thread.join()


def test_depth_is_what_waits(tmp_path: Path) -> None:
    with Spool(tmp_path / "s", most=700) as owner:
        assert spool.depth(tmp_path / "s", None, owner.end, owner.number) == spool.Depth()
        places = put(owner, said(20))

        def depth(after: Place | None) -> spool.Depth:
            return spool.depth(tmp_path / "s", after, owner.end, owner.number)

        whole = depth(None)
        assert (whole.records, whole.oldest) == (20, T)
        assert whole.bytes == sum(file.stat().st_size for file in files(tmp_path / "s"))
        part = depth(places[4])
        assert (part.records, part.oldest) == (15, T + timedelta(seconds=5))
        assert whole.bytes - part.bytes == places[4].offset
        assert depth(places[-1]) == spool.Depth()


def test_what_a_killed_owner_had_written_is_counted_on(tmp_path: Path) -> None:
    with Spool(tmp_path / "s", most=300) as owner:
        put(owner, said(9))
    (tmp_path / "s" / "000000000000001-00.spool.gz.part").write_bytes(b"half")
    with Spool(tmp_path / "s") as owner:
        assert (owner.number, owner.figures.cut) == (9, 0)
        assert not list((tmp_path / "s").glob("*.part"))
        put(owner, said(1))
        assert owner.number == 10
