"""`make evaluate-journeys`: what it reads, how it splits, what it writes, and what its figures mean."""

import gzip
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.journeys import learn
from local.evaluation.journeys import kneser_ney, main, markov_1, most_frequent, split
from local.evaluation.scores import Forecast, Scores
from local.evaluation.visits import DataError, Visit, read

Json = dict[str, Any]
HEADER = "session_id,symbol,created_at"
# The second of the two ties is later in the file.
ROWS = ["b,x,20", "a,x,10", "a,late,12", "a,y,11", "b,y,20", "b,z,20", "c,x,9"]
READ = [("c", ["x"]), ("a", ["x", "y", "late"]), ("b", ["x", "y", "z"])]


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: str, header: str = HEADER) -> Path:
        file = tmp_path / "data.csv"
        file.write_text("\n".join((header, *rows)) + "\n")
        return file

    return write


def as_pairs(visits: Sequence[Visit]) -> list[tuple[str, list[str]]]:
    return [(visit.session_id, list(visit.symbols)) for visit in visits]


class TestReading:
    def test_orders_by_time_then_by_the_file(self, written: Callable[..., Path]) -> None:
        assert as_pairs(read(written(*ROWS))) == READ

    def test_sessions_that_begin_at_once_are_in_the_order_of_the_file(
        self, written: Callable[..., Path]
    ) -> None:
        rows = ["b,x,1", "a,x,1", "d,y,0.5", "c,x,0.5"]
        assert [visit.session_id for visit in read(written(*rows))] == ["d", "c", "b", "a"]

    @pytest.mark.parametrize(
        "times",
        [
            ["1", "2", "10"],
            ["-2.5", "1e3", "1234567890123"],
            # One apart, where floating point numbers no longer are.
            ["1600000000000000001", "1600000000000000002", "1600000000000000003"],
            ["2026-01-01", "2026-01-01T10:00:00", "2026-01-02T00:00:00Z"],
            ["2026-01-01T12:00:00+02:00", "2026-01-01T11:00:00Z", "2026-01-01 11:00:00.000001Z"],
        ],
    )
    def test_takes_numbers_and_iso_8601(self, written: Callable[..., Path], times: list[str]) -> None:
        rows = [f"a,{place},{moment}" for place, moment in enumerate(times)]
        assert as_pairs(read(written(*reversed(rows)))) == [("a", ["0", "1", "2"])]

    def test_takes_columns_in_any_order_among_others(self, written: Callable[..., Path]) -> None:
        file = written('1,"x, y",more,a', "", header="\ufeffcreated_at,symbol,other,session_id")
        assert as_pairs(read(file)) == [("a", ["x, y"])]

    def test_takes_deskdrop_and_what_is_packed(self, tmp_path: Path) -> None:
        file = tmp_path / "data.csv.gz"
        file.write_bytes(gzip.compress(b"timestamp,eventType,contentId,sessionId\n2,LIKE,1,s\n1,VIEW,1,s\n"))
        assert as_pairs(read(file)) == [("s", ["VIEW", "LIKE"])]

    @pytest.mark.parametrize(
        ("row", "wrong"),
        [
            ("a,x", "line 3, created_at: is empty"),
            ("a,,1", "line 3, symbol: is empty"),
            (" ,x,1", "line 3, session_id: is empty"),
            ("a,x,yesterday", "line 3, created_at: 'yesterday' is neither a number nor an ISO 8601 time"),
            ("a,x,nan", "line 3, created_at: 'nan' is neither a number nor an ISO 8601 time"),
            (
                "a,x,2026-01-01",
                "line 3, created_at: '2026-01-01' is an ISO 8601 time, and the first one is a number",
            ),
        ],
    )
    def test_says_line_and_column_of_what_is_wrong(
        self, written: Callable[..., Path], row: str, wrong: str
    ) -> None:
        with pytest.raises(DataError) as caught:
            read(written("a,x,1", row, "a,x,2"))
        assert str(caught.value).splitlines()[1:] == [f"  {wrong}"]
        assert "1 of its rows can't be used" in str(caught.value)

    def test_counts_all_and_shows_a_few(self, written: Callable[..., Path]) -> None:
        with pytest.raises(DataError, match=r"1,000 of its rows can't be used") as caught:
            read(written(*["a,x,when"] * 1_000))
        assert len(str(caught.value).splitlines()) < 10


class TestErrors:
    """Said in one line, never as a traceback."""

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("none.csv", None, "there is no such file"),
            ("data.csv", b"", "its columns are missing; expected session_id, symbol, created_at"),
            ("data.csv", b"a,b\n", "its columns are a, b; expected session_id, symbol, created_at"),
            ("data.csv", b'session_id,symbol,created_at\n"a,x,1\n', "can't be read"),
            ("data.csv", b"session_id,symbol,created_at\n\xff,x,1\n", "can't be read"),
            ("data.zip", b"no archive", "can't be read"),
            ("data.csv.gz", b"no archive", "can't be read"),
            ("data.csv", b"session_id,symbol,created_at\n", "there is nothing to predict"),
            ("data.csv", b"session_id,symbol,created_at\na,x,1\na,y,2\n", "there is nothing to predict"),
        ],
    )
    def test_of_files(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, said: str
    ) -> None:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        assert main([str(tmp_path / name), str(tmp_path / "out")]) == 1
        error = capsys.readouterr().err
        assert error.startswith("evaluate-journeys: ")
        assert said in error

    def test_of_the_folder(
        self, tmp_path: Path, written: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "out").write_text("a file")
        rows = [f"s{number},{symbol},{number}" for number in range(10) for symbol in "xy"]
        assert main([str(written(*rows)), str(tmp_path / "out")]) == 1
        assert "can't be written to" in capsys.readouterr().err


class TestPredictions:
    @pytest.fixture
    def out(self, tmp_path: Path, written: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> Path:
        """Ten sessions: in, a, b, a, b, …; the last two know a page more."""
        rows = []
        for number in range(10):
            pages = ["in", *"abab"[: 2 + number % 3], *(["new"] if number >= 8 else [])]
            rows += [f"s{number},{page},{number * 100}" for page in pages]
        random.Random(1).shuffle(later := rows[-7:])
        assert main([str(written(*rows[:-7], *sorted(later, key=rows.index))), str(tmp_path / "out")]) == 0
        return tmp_path / "out"

    def test_are_of_the_last_sessions_by_start(self, out: Path) -> None:
        lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
        assert all(line.keys() == {"session_id", "position", "truth", "ranked"} for line in lines)
        assert [(line["session_id"], line["position"], line["truth"]) for line in lines] == [
            *(("s8", place, page) for place, page in enumerate(["a", "b", "a", "b", "new"], 1)),
            *(("s9", place, page) for place, page in enumerate(["a", "b", "new"], 1)),
        ]
        assert [line["ranked"][0] for line in lines if line["session_id"] == "s9"] == ["a", "b", "a"]

    def test_know_nothing_of_them(self, out: Path) -> None:
        lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
        assert all(set(line["ranked"]) == {"in", "a", "b"} for line in lines)

    def test_are_summed_up(self, out: Path) -> None:
        report = json.loads((out / "scores.json").read_text())
        lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
        hits = sum(line["ranked"][0] == line["truth"] for line in lines) / len(lines)
        top1 = report["scores"]["kneser_ney"]["top1"]
        assert (report["sessions"], report["learned_from"], report["predictions"]) == (10, 8, 8)
        assert top1["value"] == pytest.approx(hits, abs=1e-4)
        assert top1["low"] <= top1["value"] <= top1["high"]
        assert set(report["scores"]) == {"kneser_ney", "markov_1", "most_frequent"}

    def test_are_the_same_each_time(self, out: Path, tmp_path: Path) -> None:
        first = [file.read_bytes() for file in sorted(out.iterdir())]
        assert main([str(tmp_path / "data.csv"), str(out)]) == 0
        assert [file.read_bytes() for file in sorted(out.iterdir())] == first


def test_a_fifth_is_measured_on() -> None:
    sizes = {count: [len(part) for part in split([Visit("s", [])] * count)] for count in (0, 1, 5, 9, 10)}
    assert sizes == {0: [0, 0], 1: [0, 1], 5: [4, 1], 9: [7, 2], 10: [8, 2]}


def test_baselines() -> None:
    visits = [["a", "b"], ["a", "b"], ["a", "c"], ["d"]]
    usual = most_frequent(visits)(["b"])
    assert usual.ranked == [("a", 3 / 7), ("b", 2 / 7), ("c", 1 / 7)]
    assert usual.squares == pytest.approx((9 + 4 + 1 + 1) / 49)
    markov = markov_1(visits)
    assert markov(["d", "a"]).ranked == [("b", 2 / 3), ("c", 1 / 3), ("a", 0.0)]
    assert [markov(["a"]).probability(symbol) for symbol in "bcax"] == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert markov(["a", "never seen"]).ranked == usual.ranked


@given(
    visits=st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=8), min_size=1, max_size=60),
    before=st.lists(st.sampled_from("abcdefg"), max_size=5),
)
def test_squares_are_of_all_probabilities(visits: list[list[str]], before: list[str]) -> None:
    model = learn(visits)
    forecast = kneser_ney(model)(before)
    assert forecast.squares == pytest.approx(sum(forecast.probability(one) ** 2 for one in "abcdefg"))


def _forecast(**probabilities: float) -> Forecast:
    return Forecast(
        [*probabilities.items()][:3],
        lambda symbol: probabilities.get(symbol, 0.0),
        sum(one * one for one in probabilities.values()),
    )


class TestScores:
    def test_are_counted(self) -> None:
        scores = Scores()
        scores.add(0, "a", sure := _forecast(a=0.75, b=0.2, c=0.05))
        scores.add(0, "b", sure)
        scores.add(1, "d", _forecast(a=0.25, b=0.25, c=0.25, d=0.25))
        found = {name: one.value for name, one in scores.scores().items()}
        squares = (0.25**2 + 0.2**2 + 0.05**2 + 0.75**2 + 0.8**2 + 0.05**2 + 3 * 0.25**2 + 0.75**2) / 3
        # In the one bin 1.5 hits were expected and 1 was seen, in the other 0.25 and none.
        assert found == pytest.approx({"top1": 1 / 3, "top3": 2 / 3, "brier": squares, "ece": 0.75 / 3})

    def test_intervals_cover_as_often_as_they_say(self) -> None:
        """Sessions differ more than chance alone would have it, which intervals over events would miss."""
        source = random.Random(2)
        covered = 0
        for _ in range(40):
            scores = Scores()
            for visit in range(80):
                ease = source.random()
                for _ in range(10):
                    scores.add(visit, "a" if source.random() < ease else "b", _forecast(a=0.5, b=0.5))
            top1 = scores.scores()["top1"]
            covered += top1.low <= 0.5 <= top1.high
        assert 33 <= covered <= 40
