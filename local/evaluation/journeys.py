"""`make evaluate-journeys DATA=… OUT=…`: how well the next symbol of a visit is predicted.

Learned from the first 80 % of the visits by their beginning, measured on the last 20 %: each symbol after a
visit's first is predicted from those before it in its own visit.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from tqdm import tqdm

from footfall import journeys
from local.evaluation.scores import Forecast, Ranked, Scores, as_json
from local.evaluation.visits import DataError, Visit, read

Symbols = Sequence[str]
Predictor = Callable[[Symbols], Forecast]
NAMES = {"kneser_ney": "Kneser-Ney (serves)", "markov_1": "Markov-1", "most_frequent": "most frequent"}
COLUMNS = {"top1": "top-1", "top3": "top-3", "brier": "Brier", "ece": "ECE"}


def main(arguments: Sequence[str]) -> int:
    """0 where there was something to measure."""
    parser = argparse.ArgumentParser(prog="make evaluate-journeys", description=__doc__)
    parser.add_argument("data", type=_path, help="a .csv, .csv.gz or .zip: session_id,symbol,created_at")
    parser.add_argument("out", type=_path, help="a folder for predictions.jsonl and scores.json")
    options = parser.parse_args(arguments)
    try:
        evaluate(options.data, options.out)
    except DataError as error:
        print(f"evaluate-journeys: {error}", file=sys.stderr)
        return 1
    return 0


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("say DATA=…, a file, and OUT=…, a folder")
    return Path(text)


def evaluate(data: Path, out: Path) -> None:
    """Writes both files, and prints the scores.

    Raises:
        DataError: the file can't be read, holds nothing to measure, or the folder can't be written to.
    """
    visits = read(data)
    learning, testing = split(visits)
    if not learning or not any(len(visit.symbols) > 1 for visit in testing):
        raise DataError(
            f"{data}: of its {len(visits):,} sessions the first {len(learning):,} are to learn from, and none"
            f" of the last {len(testing):,} has a second event: there is nothing to predict"
        )
    symbols = [visit.symbols for visit in learning]
    model = journeys.learn(symbols)
    predictors = predictors_of(model, symbols)
    scores = {name: Scores() for name in predictors}
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (out / "predictions.jsonl").open("w", encoding="utf-8") as lines:
            for number, visit in enumerate(tqdm(testing, desc="predicting", unit=" sessions", delay=1)):
                for line in _predict(number, visit, predictors, scores):
                    lines.write(line)
        report = _report(visits, learning, model, scores)
        (out / "scores.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise DataError(f"{out}: can't be written to: {error}") from None
    _print(report)


def score(visits: Sequence[Visit]) -> dict[str, Scores]:
    """Of each predictor, where there is nothing to write down."""
    learning, testing = split(visits)
    symbols = [visit.symbols for visit in learning]
    predictors = predictors_of(journeys.learn(symbols), symbols)
    scores = {name: Scores() for name in predictors}
    for number, visit in enumerate(testing):
        _predict(number, visit, predictors, scores)
    return scores


def predictors_of(model: journeys.Model, symbols: Sequence[Symbols]) -> dict[str, Predictor]:
    """By name; what serves is the first."""
    return {
        "kneser_ney": kneser_ney(model),
        "markov_1": markov_1(symbols),
        "most_frequent": most_frequent(symbols),
    }


def split(visits: Sequence[Visit]) -> tuple[Sequence[Visit], Sequence[Visit]]:
    """The first 80 %, and the rest."""
    many = len(visits) * 4 // 5
    return visits[:many], visits[many:]


def kneser_ney(model: journeys.Model) -> Predictor:
    """What serves."""
    squares: dict[journeys.Context, float] = {}

    def forecast(before: Symbols) -> Forecast:
        context = model.context(before)
        return Forecast(
            [(one.action, one.probability) for one in model.predict(before)],
            lambda symbol: model.probability(symbol, context) if symbol in model.table[()] else 0.0,
            _squares(model, context, squares),
        )

    return forecast


def _squares(model: journeys.Model, context: journeys.Context, known: dict[journeys.Context, float]) -> float:
    """Of the probabilities of all symbols after a context, without going through all of them."""
    if context not in model.table:
        return _squares(model, context[1:], known)
    if context not in known:
        found = [model.probability(symbol, context) for symbol in model.table[context]]
        known[context] = _sum_of_squares(found)
        if context:
            shorter = [model.probability(symbol, context[1:]) for symbol in model.table[context]]
            # What never followed has a share of what it has after the shorter context, the same for all.
            if (others := 1 - sum(shorter)) > 1e-9:
                share = (1 - sum(found)) / others
                rest = _squares(model, context[1:], known) - _sum_of_squares(shorter)
                known[context] += share**2 * max(rest, 0.0)
    return known[context]


def _sum_of_squares(numbers: Iterable[float]) -> float:
    return sum(number * number for number in numbers)


def most_frequent(visits: Sequence[Symbols]) -> Predictor:
    """Whatever came before."""
    usual = _counted(Counter(symbol for visit in visits for symbol in visit))
    return lambda _: usual


def markov_1(visits: Sequence[Symbols]) -> Predictor:
    """What followed the last symbol most often; the most frequent where that isn't enough."""
    after: dict[str, Counter[str]] = {}
    for visit in visits:
        for before, symbol in pairwise(visit):
            after.setdefault(before, Counter())[symbol] += 1
    usual = most_frequent(visits)(())
    best = {before: _counted(times, usual.ranked) for before, times in after.items()}
    return lambda before: best.get(before[-1], usual)


def _counted(times: Counter[str], filling: Ranked = ()) -> Forecast:
    """By shares of what was counted; where that was less than three symbols, others are named beside them."""
    total = times.total()
    best = sorted(times, key=lambda symbol: (-times[symbol], symbol))[:3]
    others = [symbol for symbol, _ in filling if symbol not in times]
    return Forecast(
        [(symbol, times[symbol] / total) for symbol in [*best, *others][:3]],
        lambda symbol: times[symbol] / total,
        _sum_of_squares(count / total for count in times.values()),
    )


def _predict(
    number: int, visit: Visit, predictors: dict[str, Predictor], scores: dict[str, Scores]
) -> list[str]:
    """Lines of predictions.jsonl; positions count from 0, which is never predicted."""
    lines: list[str] = []
    for position in range(1, len(visit.symbols)):
        before, truth = visit.symbols[max(position - journeys.RECENT, 0) : position], visit.symbols[position]
        answers = {name: predict(before) for name, predict in predictors.items()}
        for name, forecast in answers.items():
            scores[name].add(number, truth, forecast)
        line = {
            "session_id": visit.session_id,
            "position": position,
            "truth": truth,
            "ranked": [symbol for symbol, _ in answers["kneser_ney"].ranked],
        }
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    return lines


def _report(
    visits: Sequence[Visit], learning: Sequence[Visit], model: journeys.Model, scores: dict[str, Scores]
) -> dict[str, Any]:
    return {
        "sessions": len(visits),
        "learned_from": len(learning),
        "symbols": model.symbols,
        "order": len(model.levels),
        "predictions": scores["kneser_ney"].predictions,
        "scores": {name: as_json(one.scores()) for name, one in scores.items()},
    }


def _print(report: dict[str, Any]) -> None:
    print(
        f"{report['sessions']:,} sessions, {report['symbols']:,} symbols: learned from the first"
        f" {report['learned_from']:,}, {report['predictions']:,} predictions in the rest"
        f" · order {report['order']}"
    )
    print(f"{'':22}" + "".join(f"{title:>24}" for title in COLUMNS.values()))
    for name, scores in report["scores"].items():
        cells = (f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]" for one in scores.values())
        print(f"{NAMES[name]:22}" + "".join(f"{cell:>24}" for cell in cells))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
