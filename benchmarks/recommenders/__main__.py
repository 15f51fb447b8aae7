"""`python -m benchmarks.recommenders DATA OUT [REFIT_DAYS]`: what a feed foresees beside `implicit`.

First `make evaluate` as it is, then each of the library's models on the same tests: fitted anew every
REFIT_DAYS on all first meetings before, asked with the user's own as of each moment.
"""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from local.evaluation import feeds
from local.evaluation.interactions import read
from local.evaluation.ranks import Ranks

Told = dict[str, Any]


def models() -> dict[str, Callable[[], Any]]:
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import BM25Recommender, CosineRecommender

    return {
        "implicit ALS, 64 factors": lambda: AlternatingLeastSquares(factors=64, random_state=1),
        "implicit item-item, cosine": lambda: CosineRecommender(K=100),
        "implicit item-item, BM25": lambda: BM25Recommender(K=100),
    }


def live(name: str, data: Path, refit: timedelta) -> Told:
    """Scores, seconds of a fit, milliseconds of an answer, and the most memory of this process."""
    from threadpoolctl import threadpool_limits

    met = read(data)
    start = int(len(met) * feeds.TESTED_FROM)
    items = {one: place for place, one in enumerate(dict.fromkeys(one.content_id for one in met))}
    users = {one: place for place, one in enumerate(dict.fromkeys(one.user_id for one in met))}
    histories: dict[int, list[int]] = {place: [] for place in users.values()}
    pairs: set[tuple[int, int]] = set()
    rows: list[int] = []
    columns: list[int] = []
    fits: list[float] = []
    answers: list[float] = []
    ranks, model, next_fit = Ranks(), None, met[start].at
    with threadpool_limits(1, "blas"):
        for place, one in enumerate(met):
            user, item = users[one.user_id], items[one.content_id]
            if place >= start and one.at >= next_fit:
                next_fit = one.at + refit
                ones = np.ones(len(rows), np.float32)
                known = sp.csr_matrix((ones, (rows, columns)), shape=(len(users), len(items)))
                began = time.perf_counter()
                model = models()[name]()
                model.fit(known, show_progress=False)
                fits.append(time.perf_counter() - began)
            if (user, item) in pairs:
                continue
            if model is not None:
                own = histories[user]
                row = sp.csr_matrix((np.ones(len(own), np.float32), ([0] * len(own), own)), (1, len(items)))
                began = time.perf_counter()
                more = {"recalculate_user": True} if "ALS" in name else {}
                found, _ = model.recommend(0, row, N=feeds.SHOWN, **more)
                answers.append(time.perf_counter() - began)
                ranks.add(user, str(item), [str(each) for each in found])
            pairs.add((user, item))
            histories[user].append(item)
            rows.append(user)
            columns.append(item)
    return {
        "scores": feeds.told(ranks),
        "fit_seconds": round(statistics.median(fits), 2),
        "milliseconds": round(statistics.median(answers) * 1000, 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main(data: Path, out: Path, refit: timedelta) -> None:
    report = feeds.evaluate(data, out, refit)
    told: dict[str, Told] = {
        "Footfall": {
            "scores": report["scores"][feeds.SERVES],
            "fit_seconds": round(report["seconds"]["training"] / report["refits"], 2),
            "milliseconds": report["milliseconds_per_ranking"],
            # Of the replay, with all that it keeps to compare with.
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    }
    for name in models():
        with get_context("spawn").Pool(1) as alone:
            told[name] = alone.apply(live, (name, data, refit))
    print(f"{'':30}{'HR@10':>8}{'HR@20':>8}{'NDCG@10':>9}{'fit s':>8}{'MB':>6}{'answer ms':>11}")
    for name, one in told.items():
        scores = "".join(
            f"{one['scores'][measure]['value']:{width}.3f}"
            for measure, width in (("hr10", 8), ("hr20", 8), ("ndcg10", 9))
        )
        print(f"{name:30}{scores}{one['fit_seconds']:8.2f}{one['peak_mb']:6}{one['milliseconds']:11.2f}")
    (out / "recommenders.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), timedelta(days=float((*sys.argv, "1")[3])))
