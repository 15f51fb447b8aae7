"""`make evaluate DATA=… OUT=… REFIT_DAYS=1`: how well a feed foresees what each user meets next.

Prequential: the rows are lived through in their order of time. In the last 20 % each first interaction of a
user with a piece of content is a test: before it is stored, the feed's SQL ranks all that is known and that
the user has not met. Trends are learned every minute of the data's time, the model every REFIT_DAYS, both by
the code that analyze runs.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psycopg
from tqdm import tqdm

from footfall import ids, signals
from footfall.database import Database, connect
from functions.analyze import content as model
from functions.analyze.learning import QUERIES as ANALYZE
from functions.maintain.migrate import migrate
from functions.recommend.handler import QUERIES as RECOMMEND
from functions.recommend.ranking import Visitor, parameters, rows
from local.evaluation.interactions import COLUMNS, Interaction, read
from local.evaluation.ranks import MEASURES, Ranks
from local.evaluation.scores import as_json
from local.evaluation.trivial import Trivial
from local.evaluation.visits import DataError
from local.postgres.roles import let_in
from local.postgres.server import PostgresError, PostgresServer

TESTED_FROM = 0.8
SHOWN, RANKED = 20, 10
# So long after an interaction its content may still be seen: for good.
EVER_DAYS = 100_000
STEP, TICK = timedelta(minutes=1), timedelta(microseconds=1)
READERS = 2
# Of every so many tests one is ranked without the user's history, too.
APART = 5
SERVES, ALONE = "footfall", "for_everyone"
NAMES = {
    SERVES: "Footfall (serves)",
    "popular": "Popular",
    "trending_3h": "Trending, half-life 3 h",
    "trending_1d": "Trending, half-life 1 d",
    "trending_7d": "Trending, half-life 7 d",
    "newest": "Newest-10",
}
# Nothing of it outlives the run.
OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "256MB",
    "jit": "off",
}


def main(arguments: Sequence[str]) -> int:
    """0 where there was something to measure."""
    parser = argparse.ArgumentParser(prog="make evaluate", description=__doc__)
    parser.add_argument("data", type=_path, help=f"a .csv, .csv.gz or .zip: {','.join(COLUMNS)}")
    parser.add_argument("out", type=_path, help="a folder for rankings.jsonl and scores.json")
    parser.add_argument("--refit-days", type=_days, default=1.0, help="days of the data between two models")
    options = parser.parse_args(arguments)
    try:
        evaluate(options.data, options.out, timedelta(days=options.refit_days))
    except (DataError, PostgresError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    return 0


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("say DATA=…, a file, and OUT=…, a folder")
    return Path(text)


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= 36_500:
        raise argparse.ArgumentTypeError(f"REFIT_DAYS: {text!r} is no number of days above 0")
    return days


def evaluate(data: Path, out: Path, refit: timedelta) -> dict[str, Any]:
    """Writes both files, and prints the scores.

    Raises:
        DataError: the file can't be read, holds nothing to measure, or the folder can't be written to.
    """
    met = read(data)
    start = int(len(met) * TESTED_FROM)
    if not any(first for first in _firsts(met)[start:]):
        raise DataError(
            f"{data}: of its {len(met):,} rows none in the last 20 % is a user's first with its content"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (out / "rankings.jsonl").open("w", encoding="utf-8") as lines, _world() as world:
            report = _live(met, start, world, refit, lines.write)
        (out / "scores.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise DataError(f"{out}: can't be written to: {error}") from None
    _print(report)
    return report


@dataclass(slots=True)
class World:
    """A database in which the data come to pass."""

    writer: psycopg.Connection[Any]
    learner: Database
    readers: SimpleQueue[Database]
    contents: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def store(self, met: Sequence[Interaction]) -> None:
        """As session would: the catalogue's row where it is new, and the interactions."""
        with self.writer.pipeline(), self.writer.transaction(), self.writer.cursor() as cursor:
            for one in met:
                key = ids.to_uuid("content", one.content_id)
                if key not in self.contents:
                    self.contents[key] = one.content_id
                    cursor.execute(CONTENT, (one.content_type, key, one.at))
                cursor.execute(INTERACTION, _row(one))

    def load(self, met: Sequence[Interaction]) -> None:
        """The same of many."""
        for one in met:
            self.contents.setdefault(ids.to_uuid("content", one.content_id), one.content_id)
        with self.writer.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE loaded (LIKE content_interactions INCLUDING DEFAULTS)")
            with cursor.copy(f"COPY loaded ({COLUMNS_STORED}) FROM STDIN") as copying:
                for one in met:
                    copying.write_row((*_row(one)[:-1], 0))
            cursor.execute("UPDATE loaded SET engagement_score = engagement_score(interaction_type, NULL)")
            cursor.execute(
                "INSERT INTO content (content_type, content_id, first_seen_at)"
                " SELECT content_type, content_id, min(created_at) FROM loaded GROUP BY 1, 2"
            )
            cursor.execute("INSERT INTO content_interactions SELECT * FROM loaded")
        self.writer.execute("ANALYZE")

    def rank(self, one: Interaction, *, is_personal: bool = True) -> list[str]:
        """What the user would be shown just before."""
        visitor = Visitor(user_id=ids.to_uuid("user", one.user_id))
        asked = parameters(
            visitor,
            one.at - TICK,
            SHOWN,
            seen_days=EVER_DAYS,
            ahead=timedelta(),
            is_personal=is_personal,
        )
        reader = self.readers.get()
        try:
            found = reader.run(lambda transaction: rows(transaction, asked))
        finally:
            self.readers.put(reader)
        return [self.contents[str(row["content_id"])] for row in found]

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + time.monotonic() - began


COLUMNS_STORED = (
    "id, user_id, content_type, content_id, interaction_type, created_at, received_at, engagement_score"
)
CONTENT = "INSERT INTO content (content_type, content_id, first_seen_at) VALUES (%s, %s, %s)"
INTERACTION = (
    f"INSERT INTO content_interactions ({COLUMNS_STORED})"  # noqa: S608
    " VALUES (%s, %s, %s, %s, %s, %s, %s, engagement_score(%s, NULL))"
)


def _row(one: Interaction) -> tuple[Any, ...]:
    user, piece = ids.to_uuid("user", one.user_id), ids.to_uuid("content", one.content_id)
    return (
        ids.uuid7(int(one.at.timestamp() * 1000)),
        user,
        one.content_type,
        piece,
        one.interaction_type,
        one.at,
        one.at,
        one.interaction_type,
    )


@contextmanager
def _world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="footfall-evaluation-") as folder:
        Path(folder).chmod(0o755)
        server = PostgresServer(Path(folder) / "postgres", options=OPTIONS)
        server.start()
        try:
            with connect(server.url()) as owner:
                owner.execute("SET idle_session_timeout = 0")
                migrate(owner)
                # One partition for all the time there is.
                owner.execute(
                    "CREATE TABLE evaluated PARTITION OF content_interactions"
                    " FOR VALUES FROM (MINVALUE) TO (MAXVALUE)"
                )
                learner = Database(let_in(server.url(), "footfall_analyze"), ANALYZE)
                url = let_in(server.url(), "footfall_recommend")
                readers = [Database(url, RECOMMEND) for _ in range(READERS)]
                waiting: SimpleQueue[Database] = SimpleQueue()
                for reader in readers:
                    waiting.put(reader)
                try:
                    yield World(owner, learner, waiting)
                finally:
                    for database in (learner, *readers):
                        database.close()
        finally:
            server.stop()


def _firsts(met: Sequence[Interaction]) -> list[bool]:
    seen: set[tuple[str, str]] = set()
    found = []
    for one in met:
        key = one.user_id, one.content_id
        found.append(key not in seen)
        seen.add(key)
    return found


def _live(
    met: Sequence[Interaction], start: int, world: World, refit: timedelta, write: Callable[[str], object]
) -> dict[str, Any]:
    run = Run(met, world)
    firsts = _firsts(met)
    with world.timed("loading"):
        world.load(met[:start])
    for one, is_first in zip(met[:start], firsts, strict=False):
        run.remember(one, is_first=is_first)
    next_fit = met[start].at
    refits = 0
    progress = tqdm(total=len(met) - start, desc="ranking", unit=" rows", delay=1, mininterval=1)
    with progress, ThreadPoolExecutor(READERS) as threads:
        for begin, end in _steps(met, start):
            step, now = met[begin:end], met[begin].at - TICK
            with world.timed("trends"):
                model.refresh(world.learner, now)
            if met[begin].at >= next_fit:
                next_fit = met[begin].at + refit
                refits += 1
                with world.timed("training"):
                    model.replace_model(world.learner, now, {})
            with world.timed("storing"):
                world.store(step)
            # Each sees what happened before it, and no more.
            with world.timed("ranking"):
                ranked = run.test(step, firsts[begin:end], threads)
            for one, shown in ranked:
                said = {"created_at": one.said_at, "user_id": one.user_id, "truth": one.content_id}
                write(json.dumps({**said, "ranked": shown[:RANKED]}, ensure_ascii=False) + "\n")
            progress.update(end - begin)
    return {"rows": len(met), "refits": refits, **run.report()}


def _steps(met: Sequence[Interaction], start: int) -> Iterator[tuple[int, int]]:
    """From where to where the rows of each minute that has some lie."""
    begin = start
    for place in range(start, len(met)):
        if met[place].at >= met[begin].at + STEP:
            yield begin, place
            begin = place
    yield begin, len(met)


class Run:
    """What is tested, beside what everybody would be shown."""

    def __init__(self, met: Sequence[Interaction], world: World) -> None:
        self._world = world
        self._names = list(dict.fromkeys(one.content_id for one in met))
        self._items = {name: number for number, name in enumerate(self._names)}
        self._users = {name: number for number, name in enumerate(dict.fromkeys(one.user_id for one in met))}
        self._seen: dict[str, set[int]] = {name: set() for name in self._users}
        self._trivial = Trivial(len(self._items))
        self._scores = {name: Ranks() for name in NAMES}
        self._apart = {name: Ranks() for name in (SERVES, ALONE)}

    def remember(self, one: Interaction, *, is_first: bool) -> None:
        item = self._items[one.content_id]
        self._trivial.meet(item, one.at.timestamp(), is_first=is_first)
        self._seen[one.user_id].add(item)

    def test(
        self, step: Sequence[Interaction], firsts: Sequence[bool], threads: ThreadPoolExecutor
    ) -> list[tuple[Interaction, list[str]]]:
        """What the feed would show before each first interaction, beside what it is compared with."""
        done = len(self._scores[SERVES])
        tests = [one for one, is_first in zip(step, firsts, strict=True) if is_first]
        ranked = [threads.submit(self._world.rank, one) for one in tests]
        apart = {
            place: threads.submit(self._world.rank, one, is_personal=False)
            for place, one in enumerate(tests)
            if (done + place) % APART == 0
        }
        left = iter(enumerate(ranked))
        for one, is_first in zip(step, firsts, strict=True):
            user = self._users[one.user_id]
            if is_first:
                for name, items in self._trivial.ranked(self._seen[one.user_id], SHOWN).items():
                    self._scores[name].add(user, one.content_id, [self._names[item] for item in items])
                place, future = next(left)
                self._scores[SERVES].add(user, one.content_id, future.result())
                if place in apart:
                    self._apart[SERVES].add(user, one.content_id, future.result())
                    self._apart[ALONE].add(user, one.content_id, apart[place].result())
            self.remember(one, is_first=is_first)
        return [(one, future.result()) for one, future in zip(tests, ranked, strict=True)]

    def report(self) -> dict[str, Any]:
        tests, seconds = len(self._scores[SERVES]), self._world.seconds
        return {
            "tests": tests,
            "seconds": {name: round(value, 1) for name, value in seconds.items()},
            "milliseconds_per_ranking": round(seconds["ranking"] * 1000 / tests, 2),
            "weights": dict(zip(signals.SIGNALS, _weights(self._world), strict=True)),
            "scores": {name: _told(ranks) for name, ranks in self._scores.items()},
            "apart": {name: _told(ranks) for name, ranks in self._apart.items()},
        }


def _told(ranks: Ranks) -> dict[str, dict[str, float]]:
    errors = ranks.errors()
    return {name: {**one, "se": round(errors[name], 4)} for name, one in as_json(ranks.scores()).items()}


def _weights(world: World) -> list[float]:
    row = world.writer.execute("SELECT weights FROM content_blend").fetchone()
    return list(row["weights"]) if row else list(signals.PRIOR)


def _print(report: dict[str, Any]) -> None:
    print(
        f"{report['rows']:,} rows, {report['tests']:,} first interactions in the last 20 %,"
        f" {report['refits']} models, {report['milliseconds_per_ranking']} ms a ranking; seconds: "
        + ", ".join(f"{name} {value:.0f}" for name, value in report["seconds"].items())
    )
    print(f"{'':26}" + "".join(f"{title:>24}" for title in ("HR@10", "HR@20", "NDCG@10")))
    for name, scores in report["scores"].items():
        cells = (
            f"{scores[m]['value']:.3f} [{scores[m]['low']:.3f}, {scores[m]['high']:.3f}]" for m in MEASURES
        )
        print(f"{NAMES[name]:26}" + "".join(f"{cell:>24}" for cell in cells))
    served, alone = (report["apart"][name]["hr10"]["value"] for name in (SERVES, ALONE))
    print(
        f"Of every {APART}th: with the user's history HR@10 {served:.3f}, without it {alone:.3f}:"
        f" personalization adds {served - alone:+.3f}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
