from collections.abc import Iterator

import psycopg
import pytest

from tests.end_to_end.local_stack import LocalStack, running

Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """One running stack for all tests that don't break it; they use users of their own."""
    with running(tmp_path_factory.mktemp("stack") / "data") as started:
        yield started


@pytest.fixture
def database(stack: LocalStack) -> Iterator[Connection]:
    with psycopg.connect(stack.local()["database_url"], autocommit=True) as connection:
        yield connection
