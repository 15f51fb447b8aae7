from collections.abc import Iterator

import psycopg
import pytest

from tests.end_to_end.local_stack import LocalStack, running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack of their own, as its queue fails for a while."""
    with running(tmp_path_factory.mktemp("sdks") / "data") as started:
        yield started


@pytest.fixture
def database(stack: LocalStack) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(stack.local()["database_url"], autocommit=True) as connection:
        yield connection
