"""The embedded Postgres: found, made, started, watched and started again."""

from local.postgres.binaries import PostgresError, installed_versions
from local.postgres.server import PostgresServer

__all__ = ["PostgresError", "PostgresServer", "installed_versions"]
