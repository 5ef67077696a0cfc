"""Settings from the environment: tiny functions that fail loudly and name the variable."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from chainlets.runtime.room import in_bytes

Database = dict[str, object]

LOCKS_HELD_S = 8  #: What PostgreSQL allows a transaction in which nothing happens; a lease is as long.

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """The variable, without surrounding blanks; an empty one counts as not set."""
    return os.environ.get(name, "").strip() or default


def secret(name: str) -> str:
    """The variable, or the content of the file that `<name>_FILE` names."""
    path = text(f"{name}_FILE")
    if not path:
        return text(name)
    if text(name):
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set. Keep one of them.")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name}_FILE names {path}, which cannot be read: {error.strerror}."
        ) from error


def flag(name: str, *, default: bool = False) -> bool:
    """A yes or no: 1, true, yes, on or 0, false, no, off."""
    value = text(name, "1" if default else "0").lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}. Write 1 or 0.")


def number(name: str, default: int, *, minimum: int = 0) -> int:
    """A whole number that is at least `minimum`."""
    value = text(name, str(default))
    if not value.isascii() or not value.isdigit() or int(value) < minimum:
        raise ImproperlyConfigured(f"{name} is {value!r}. Write a whole number, {minimum} or more.")
    return int(value)


def size(name: str) -> int | None:
    """A number of bytes, written as 512Mi or 6Gi; None if it is not set."""
    value = text(name)
    try:
        return in_bytes(value) if value else None
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def names(name: str, default: str = "") -> list[str]:
    """A list divided by commas; blanks around the entries are dropped."""
    return [entry for part in text(name, default).split(",") if (entry := part.strip())]


def folder(name: str, default: Path) -> Path:
    """An absolute path; `~` is the home folder."""
    return Path(text(name, str(default))).expanduser().absolute()


def kept_secret(name: str, path: Path) -> str:
    """The variable, or a random value that is made once and then kept in `path`.

    Several processes may start at the same moment: the first complete file wins.
    """
    given = secret(name)
    if given:
        return given
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(64), encoding="utf-8")
            try:
                path.hardlink_to(draft)
            except FileExistsError:
                pass  # another process was first; its value is as good as ours
            finally:
                draft.unlink()
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}. Set DATA_DIR to a folder you may write to."
        raise ImproperlyConfigured(message) from error


def database(url: str, *, sqlite: Path) -> Database:
    """Django's settings for `postgres://user:password@host:port/name`, or for the file `sqlite` if `url` is empty."""
    if not url:
        return _sqlite(sqlite)
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return _sqlite(Path(unquote(parts.path)))
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(
            f"DATABASE_URL starts with {parts.scheme!r}. Use postgres:// or sqlite:///."
        )
    options: Mapping[str, str] = dict(parse_qsl(parts.query))
    # Whoever stops in mid-transaction, or whose machine is gone, keeps its locks as long as a lease.
    held = f"-c idle_in_transaction_session_timeout={LOCKS_HELD_S}s"
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": {"connect_timeout": 5, "options": held, **options},
    }


def _sqlite(path: Path) -> Database:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {
            # A deferred transaction that turns into a write fails at once instead of waiting for the lock.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
