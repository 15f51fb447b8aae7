"""Runs benchmarks: `python -m benchmarks [NAME…] [--scale 0.05]`."""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.framework import Bench, Benchmark, BenchmarkError, benchmarks
from benchmarks.postgres import Postgres
from footfall.errors import FootfallError
from local.postgres.server import PostgresError

RESULTS = Path(__file__).parent / "results" / "latest.json"

Result = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    # What the functions log of their work is not ours to show.
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    known = benchmarks()
    options = _options(arguments, known)
    now = datetime.now(UTC)
    failed: set[str] = set()
    results = {} if not options.names else _read(known)
    with Postgres(now) as postgres:
        bench = Bench(postgres, now, options.scale)
        for place, name in enumerate(options.names or known, 1):
            print(f"[{place}/{len(options.names or known)}] {name} …", flush=True)
            results.pop(name, None)
            try:
                results[name] = _run(known[name], bench)
            except (BenchmarkError, FootfallError, PostgresError, psycopg.Error, OSError) as error:
                print(f"    failed: {error}", file=sys.stderr)
                failed.add(name)
            _write([results[name] for name in known if name in results])
    print(f"wrote {RESULTS}")
    return 1 if failed else 0


def _options(arguments: Sequence[str] | None, known: Mapping[str, Benchmark]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; all if none is named"
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=os.environ.get("BENCH_SCALE", "1"),
        help="below 1: a quick look with fewer rows and rounds, marked as such (or the variable BENCH_SCALE)",
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    if not 0 < options.scale <= 1:
        parser.error(f"--scale must be above 0 and at most 1, not {options.scale}")
    return options


def _run(benchmark: Benchmark, bench: Bench) -> Result:
    began = time.perf_counter()
    measured = benchmark.measure(bench)
    detail = {
        **({"reduced": f"a quick look at scale {bench.scale:g}: no figure"} if bench.scale < 1 else {}),
        **measured.detail,
        "seconds": round(time.perf_counter() - began, 1),
        "measured_at": bench.now.isoformat(timespec="seconds"),
        "machine": _machine(bench),
    }
    mark = " (reduced)" if bench.scale < 1 else ""
    print(f"    {measured.value:.3g} {benchmark.unit}{mark}, in {detail['seconds']} s", flush=True)
    return {
        "name": benchmark.name,
        "value": round(measured.value, 4),
        "unit": benchmark.unit,
        "against": benchmark.against,
        "detail": detail,
    }


def _machine(bench: Bench) -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "postgres": bench.postgres.version,
    }


def _read(known: Mapping[str, Benchmark]) -> dict[str, Result]:
    """The results of the last run, so that naming a benchmark measures it anew and leaves the others."""
    try:
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
        return {result["name"]: result for result in results if result["name"] in known}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


def _write(results: list[Result]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; what was measured so far is written")
