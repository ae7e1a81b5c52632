"""The databases that catalogues are tested in: empty at the start of each test, and forgotten after the run."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from diskchain.catalogue.database import catalogue
from diskchain.catalogue.tables import METADATA
from tests.catalogue.postgres import cluster


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with cluster() as url:
        yield url


@pytest.fixture(scope="module")
def sqlite_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with catalogue(f"sqlite:///{tmp_path_factory.mktemp('catalogue')}/c.db", create=True) as engine:
        yield engine


@pytest.fixture(scope="module")
def postgres_engine(postgres_url: str) -> Iterator[Engine]:
    with catalogue(postgres_url, create=True) as engine:
        yield engine


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """An empty catalogue."""
    engine: Engine = request.getfixturevalue("sqlite_engine" if request.param == "sqlite" else "postgres_engine")
    emptied(engine)
    return engine


def emptied(engine: Engine) -> None:
    """Forget all that was loaded."""
    with engine.begin() as connection:
        for table in reversed(METADATA.sorted_tables):
            if table.name != "catalogue_version":
                connection.execute(table.delete())
