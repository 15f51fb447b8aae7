"""A transaction that notes what each named query cost."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, LiteralString

import psycopg

from benchmarks.clocks import Cost, measure
from footfall.database import Row, Transaction


class TimedTransaction(Transaction):
    """`spent` has, by the name of the query, one cost for each time that it ran."""

    def __init__(
        self,
        connection: psycopg.Connection[Row],
        queries: Mapping[str, LiteralString],
        made: set[str] | None = None,
        spent: dict[str, list[Cost]] | None = None,
    ) -> None:
        super().__init__(connection, queries, made)
        self._backend = connection.info.backend_pid
        self.spent: dict[str, list[Cost]] = defaultdict(list) if spent is None else spent

    def all(self, query: str, /, **parameters: Any) -> list[Row]:
        rows, cost = measure(lambda: super(TimedTransaction, self).all(query, **parameters), self._backend)
        self.spent[query].append(cost)
        return rows

    def one(self, query: str, /, **parameters: Any) -> Row | None:
        row, cost = measure(lambda: super(TimedTransaction, self).one(query, **parameters), self._backend)
        self.spent[query].append(cost)
        return row

    def run(self, query: str, /, **parameters: Any) -> int:
        rows, cost = measure(lambda: super(TimedTransaction, self).run(query, **parameters), self._backend)
        self.spent[query].append(cost)
        return rows

    def copy(self, query: str, lines: str) -> None:
        _, cost = measure(lambda: super(TimedTransaction, self).copy(query, lines), self._backend)
        self.spent[query].append(cost)
