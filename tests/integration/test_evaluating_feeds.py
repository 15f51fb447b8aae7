"""`make evaluate`: lives through a file, and cheats nowhere."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.evaluation import feeds

HEADER = "user_id,content_id,content_type,interaction_type,created_at\n"
START = datetime(2020, 1, 1, tzinfo=UTC)


def spelled(at: datetime, how: int) -> str:
    return at.isoformat() if how else str(int(at.timestamp()))


def lines(count: int) -> list[str]:
    """Ten users who meet what the others met, some of it twice; times in both spellings."""
    return [
        f"user {n % 10},piece {n // 10 + n % 3},{'article' if n % 2 else 'job'},view,"
        f"{spelled(START + timedelta(hours=n), n % 2)}"
        for n in range(count)
    ]


def test_ranks_before_each_first_meeting_what_is_known_and_unseen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "met.csv"
    rows = lines(400)
    file.write_text(HEADER + "\n".join(rows) + "\n")
    assert feeds.main([str(file), str(tmp_path / "out"), "--refit-days", "2"]) == 0
    said = capsys.readouterr().out
    assert all(
        name in said for name in ("HR@10", "NDCG@10", "Popular", "Trending", "Newest-10", "personalization")
    )

    met = [row.split(",") for row in rows]
    seen = {(user, piece) for user, piece, *_ in met[:320]}
    first_at: dict[str, int] = {}
    for place, (_, piece, *_) in enumerate(met):
        first_at.setdefault(piece, place)
    expected = []
    for place in range(320, 400):
        user, piece, _, _, at = met[place]
        if (user, piece) not in seen:
            expected.append((place, at, user, piece))
        seen.add((user, piece))
    written = [json.loads(line) for line in (tmp_path / "out/rankings.jsonl").read_text().splitlines()]
    assert [(one["created_at"], one["user_id"], one["truth"]) for one in written] == [
        (at, user, piece) for _, at, user, piece in expected
    ]
    for (place, *_), one in zip(expected, written, strict=True):
        before = {piece for user, piece, *_ in met[:place] if user == one["user_id"]}
        assert len(one["ranked"]) == len(set(one["ranked"])) <= 10
        assert not before & set(one["ranked"]), "what was met"
        assert all(first_at[piece] < place for piece in one["ranked"]), "what isn't known yet"
    scores = json.loads((tmp_path / "out/scores.json").read_text())
    hits = sum(one["truth"] in one["ranked"] for one in written) / len(written)
    assert hits > 0, "what is met is never ranked"
    assert scores["scores"]["footfall"]["hr10"]["value"] == pytest.approx(hits, abs=1e-4)


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("ada,,article,view,1600000000", "line 3, content_id: is empty"),
        ("ada,a,article,view,yesterday", "line 3, created_at: 'yesterday' is neither epoch seconds nor"),
        ("ada,a,article,view,inf", "line 3, created_at: 'inf' is neither"),
        ("ada,a", "line 3, content_type: is empty"),
    ],
)
def test_names_a_row_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, error: str
) -> None:
    file = tmp_path / "met.csv"
    file.write_text(f"{HEADER}ada,a,article,view,1600000000\n{row}\n")
    assert feeds.main([str(file), str(tmp_path / "out")]) == 1
    assert error in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_names_what_is_wrong_with_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "met.csv"
    assert feeds.main([str(file), str(tmp_path)]) == 1
    assert "there is no such file" in capsys.readouterr().err
    file.write_text("who,what\n1,2\n")
    assert feeds.main([str(file), str(tmp_path)]) == 1
    assert "its columns are who, what" in capsys.readouterr().err
    file.write_text(HEADER)
    assert feeds.main([str(file), str(tmp_path)]) == 1
    assert "none in the last 20 % is a user's first" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        feeds.main([str(file), str(tmp_path), "--refit-days", "0"])
