"""The folder of the embedded Postgres: its data, the owner's password, the log, and who holds it."""

import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from local.postgres.binaries import (
    PostgresError,
    environment,
    installed_versions,
    major_version,
    newest_of_wheel,
    server_user,
)
from local.postgres.leftover import stop_leftover

OWNER = "footfall"
# What Aurora's administrator has, and no more: code that needs a superuser would fail there.
CREATE_OWNER = f"""\
CREATE ROLE {OWNER} LOGIN CREATEDB CREATEROLE PASSWORD '{{password}}'
GRANT pg_monitor, pg_checkpoint, pg_signal_backend TO {OWNER}
CREATE DATABASE {OWNER} OWNER {OWNER}
"""
# The superuser `postgres` has no password, so nobody can log in as it.
ACCESS = "host all all 127.0.0.1/32 scram-sha-256\n"
LOG_LIMIT = 10_000_000


class DataFolder:
    """`directory`/data and what lies beside it. Errors are PostgresError or OSError."""

    def __init__(self, directory: Path, binaries: Path | None, *, durable: bool) -> None:
        self.directory = directory.absolute().resolve()
        self.data = self.directory / "data"
        self.log = self.directory / "postgres.log"
        self._password = self.directory / "password"
        self._binaries = binaries
        self._durable = durable
        self._lock: int | None = None

    @property
    def binaries(self) -> Path:
        """The programs asked for; otherwise the newest, or the ones that made the data."""
        made = self._made_by()
        if self._binaries is None and made is not None:
            return installed_versions().get(made) or newest_of_wheel()
        return self._binaries or newest_of_wheel()

    def password(self) -> str:
        try:
            return self._password.read_text().strip()
        except FileNotFoundError as error:
            raise PostgresError(f"{self.directory} holds no database yet: start it first") from error

    def acquire(self) -> None:
        """Makes this process the folder's only user until `release`."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 20).decode() or "?"
            os.close(descriptor)
            raise PostgresError(
                f"{self.directory} is in use by process {holder}: stop that one, or choose another DATA_DIR"
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._lock = descriptor

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def prepare(self) -> None:
        """Stops a server that was left over, and makes the data or checks that they can be served."""
        stop_leftover(self.data)
        if not self.data.exists() or not any(self.data.iterdir()):
            self._create()
        self._check_version()
        self._give_to_server(self.data)
        if not self._password.exists():
            password = secrets.token_urlsafe(24)
            self._single_user(self.data, f"ALTER ROLE {OWNER} PASSWORD '{password}'\n")
            self._write_password(password)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))

    def command(self, program: str) -> list[str]:
        """How to run one of Postgres' programs as the user who owns the data."""
        return [*server_user(self.binaries).prefix, str(self.binaries / program)]

    def _made_by(self) -> int | None:
        try:
            return int((self.data / "PG_VERSION").read_text())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None

    def _check_version(self) -> None:
        made, runs = self._made_by(), major_version(self.binaries)
        if made is None:
            raise PostgresError(f"{self.data} holds something else than a Postgres database: move it away")
        if made != runs:
            raise PostgresError(
                f"{self.data} was made by Postgres {made}, and {self.binaries} is Postgres {runs}: "
                f"move {self.directory} away to start empty, or dump it with Postgres {made} and restore "
                "the dump, or set DATABASE_URL to a Postgres of your own"
            )

    def _create(self) -> None:
        """initdb in a folder aside, so that an interrupted one leaves nothing half made."""
        for stale in self.directory.glob("new-*"):
            shutil.rmtree(stale, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix="new-", dir=self.directory))
        self._give_to_server(new)
        self._initdb(new)
        (new / "pg_hba.conf").write_text(ACCESS)
        password = secrets.token_urlsafe(24)
        self._single_user(new, CREATE_OWNER.format(password=password))
        self._write_password(password)
        new.rename(self.data)
        _sync(self.directory)

    def _initdb(self, new: Path) -> None:
        system = "C.UTF-8" if sys.platform == "linux" else "C"
        locale = [f"--locale={system}"]
        if major_version(self.binaries) >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        durable = [] if self._durable else ["--no-sync"]
        fixed = ["--username=postgres", "--auth=reject", "--encoding=UTF8", "--no-instructions"]
        self._tool("initdb", [f"--pgdata={new}", *fixed, *locale, *durable])

    def _single_user(self, data: Path, statements: str) -> None:
        """One statement a line, run before the server listens to anybody."""
        settings = ["-c", "exit_on_error=on", "-c", f"fsync={'on' if self._durable else 'off'}"]
        self._tool("postgres", ["--single", "-D", str(data), *settings, "postgres"], statements)

    def _tool(self, program: str, arguments: list[str], stdin: str = "") -> None:
        answer = subprocess.run(
            [*self.command(program), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.directory,
            env=environment(),
            start_new_session=True,
        )
        if answer.returncode:
            lines = (answer.stdout + answer.stderr).strip().splitlines()[-8:]
            raise PostgresError(f"{program} failed in {self.directory}:\n" + "\n".join(lines))

    def _give_to_server(self, folder: Path) -> None:
        uid = server_user(self.binaries).uid
        if folder.stat().st_uid == uid:
            return
        if os.geteuid() != 0:
            raise PostgresError(
                f"{folder} belongs to another user (it may have been made as root): "
                "run as that user, or choose another DATA_DIR"
            )
        # The folder itself last: its owner tells whether this was done.
        for path in (*folder.rglob("*"), folder):
            os.chown(path, uid, uid, follow_symlinks=False)

    def _write_password(self, password: str) -> None:
        self._password.unlink(missing_ok=True)
        descriptor = os.open(self._password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(password + "\n")
            file.flush()
            os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
