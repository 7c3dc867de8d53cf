"""What the doctor looks at: an entry a check, with what to do where something is wrong, in English and Chinese."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from analytics import standards
from analytics.store.connection import Connection
from analytics.store.doctor import Found, Window, rows, state
from jobs.doctor import around, remake


@dataclass(frozen=True, slots=True)
class Patient:
    """A store under examination: `windows` are days of series drawn from it, `sample` how many were asked for."""

    conn: Connection
    now: datetime
    windows: list[Window]
    sample: int


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold. `title` and `cure` in English and Chinese; `writes`: it needs a transaction of its own
    in which it may write, and undoes all of it."""

    name: str
    look: Callable[[Patient], Found]
    title: tuple[str, str]
    cure: tuple[str, str]
    writes: bool = False


_BACKUP = (
    "restore the last sound backup beside this store (`greenwatch database restore`) and send what came since again",
    "将最近完好的备份恢复到旁边的库（greenwatch database restore），并重新导入其后的数据",
)
_SETTLE = (
    "make these days again, and those around them: `greenwatch settle --from DAY --to DAY`; then `greenwatch doctor` "
    "with a larger --sample; report it with --json: it must not happen",
    "重算这些日期及其前后：greenwatch settle --from 日期 --to 日期；再以更大的 --sample 复查；请附 --json 结果报告",
)
_MIGRATE = ("run `greenwatch migrate`", "请运行 greenwatch migrate")

CHECKS = (
    Check(
        "migrations",
        lambda it: state.applied(it.conn),
        ("migrations, views and indexes are those of this version", "迁移、视图与索引为本版本"),
        (
            "run `greenwatch migrate`; an edited migration: restore its file; an index: REINDEX INDEX CONCURRENTLY",
            "请运行 greenwatch migrate；被改动的迁移请还原文件；索引请 REINDEX INDEX CONCURRENTLY",
        ),
    ),
    Check(
        "editions",
        lambda it: state.editions(it.conn, standards.tables()),
        ("package tables in force are whole", "在用的内置表完整"),
        _MIGRATE,
    ),
    Check(
        "roles",
        lambda it: state.grants(it.conn),
        ("roles may what they may, and no more", "角色权限恰如其分"),
        (
            "run `greenwatch migrate` as the owner; take away what was granted by hand with REVOKE",
            "以所有者运行 greenwatch migrate；手工多授的权限请 REVOKE",
        ),
    ),
    Check(
        "server",
        lambda it: state.server(it.conn, it.now),
        ("tables lie in chunks, the server's own jobs go well", "分块表与服务器作业正常"),
        (
            "look into timescaledb_information.job_errors; a table that is not in chunks: restore into a store that "
            "`greenwatch migrate` made on TimescaleDB",
            "请查看 timescaledb_information.job_errors；未分块的表请恢复到在 TimescaleDB 上新建的库",
        ),
    ),
    Check(
        "disk",
        lambda it: around.disk(it.conn),
        ("there is room on the disk", "磁盘空间充足"),
        (
            "make room; `greenwatch keep plan` says what may go into an archive; `greenwatch keep pack` packs",
            "请腾出空间；greenwatch keep plan 查看可归档的数据，greenwatch keep pack 压缩",
        ),
    ),
    Check(
        "workers",
        lambda it: state.failing(it.conn),
        ("jobs go well", "作业运行正常"),
        ("read the worker's log at that time; the problem is named there whole", "请查看该时刻 worker 的日志"),
    ),
    Check(
        "marks",
        lambda it: rows.marks(it.conn, it.now),
        ("nothing that is due waits for long", "待重算时段未积压"),
        (
            "read the worker's log for that stage; start more workers, or run `greenwatch settle`",
            "请查看 worker 日志；增加 worker 或运行 greenwatch settle",
        ),
    ),
    Check(
        "ordinals",
        lambda it: rows.ordinals(it.conn),
        ("batches follow one another without a hole", "批次连续无缺"),
        _BACKUP,
    ),
    Check(
        "counts",
        lambda it: rows.sums(it.conn),
        ("every cell is accounted for", "每个单元均有去向"),
        _BACKUP,
    ),
    Check(
        "sequences",
        lambda it: rows.sequences(it.conn),
        ("numbers are given once", "编号不重复"),
        ("set the sequence past what is there: SELECT setval(...)", "请将序列设到现有最大值之后：SELECT setval(...)"),
    ),
    Check(
        "latest",
        lambda it: rows.newest(it.conn, it.windows),
        ("the newest readings are the newest", "最新读数属实"),
        _BACKUP,
    ),
    Check(
        "twice",
        lambda it: rows.twice(it.conn, it.windows),
        ("nothing is there twice", "无重复行"),
        (
            "an index is broken: REINDEX the table after taking the row away that came later",
            "索引损坏：删除后到的一行后 REINDEX 该表",
        ),
    ),
    Check(
        "history",
        lambda it: rows.history(it.conn, it.windows),
        ("what was replaced, and by what, is whole", "更正历史完整"),
        _BACKUP,
    ),
    Check(
        "judged",
        lambda it: rows.judged(it.conn, it.windows),
        ("every reading was judged, or is about to be", "读数均已或即将质控"),
        _SETTLE,
    ),
    Check(
        "fits",
        lambda it: state.fits(it.conn),
        ("what was learned is whole", "拟合完整"),
        ("delete these rows of `fit` and run `greenwatch relearn`", "请删除 fit 中这些行并运行 greenwatch relearn"),
    ),
    Check(
        "archives",
        lambda it: around.archives(it.conn, it.now, it.sample),
        ("what is archived is there, once", "归档完整且不重复"),
        (
            "run `greenwatch keep run` again; a file that is gone or other: take it from its backup",
            "请再次运行 greenwatch keep run；丢失或变化的文件请取自备份",
        ),
    ),
    Check(
        "made",
        lambda it: remake.look(it.conn, it.windows, it.now),
        (
            "what is derived is what is made of the readings",
            "质控、均值、评价、得分、过程与读数相符",
        ),
        _SETTLE,
        writes=True,
    ),
)
