"""Settings from ``gateway.toml`` and ``GATEWAY_…`` variables; every fault at once, each with its place.

A variable wins over the file. ``GATEWAY_SMTP__PORT`` is ``port`` in ``[smtp]``; lists and tables are
written as JSON. A variable without ``__`` that names no setting is left alone (``GATEWAY_HOME``, and
whatever a container platform sets); one with ``__`` that names no setting is a fault.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from gateway.config.describe import PREFIX, describe_settings
from gateway.config.explain import Translator
from gateway.config.faults import ENVIRONMENT, SETTINGS_FILE, Fault, config_error, nearest
from gateway.config.settings import Settings
from gateway.errors import UnsafeSecret

_PASSWORD_IN_URL = re.compile(r"[^/]*//[^/@]*:[^/@]+@")
# tomllib tells a table as Python's tuple of its names: ('smtp', 'limits').
_TABLE = re.compile(r"\('[^)]*\)")
_QUOTED = re.compile(r"'([^']*)'")
_AT = re.compile(r"(?P<what>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|(?P<end>end of document))\)", re.DOTALL)


def load_settings(home: Path, *, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of the gateway that lives in *home*.

    Args:
        home: folder with ``gateway.toml``.
        environ: variables instead of the process's own.

    Raises:
        ConfigError: with every fault; see gateway.config.faults.
    """
    environ = os.environ if environ is None else environ
    variables = {name: value for name, value in environ.items() if name.upper() != f"{PREFIX}HOME"}
    from_file = read_toml(home / SETTINGS_FILE, remedy="Create one with `gateway init`, or choose another home with --home.")
    from_variables = _Variables(variables)()
    faults = _unknown_variables(variables, from_variables)
    if "home" in from_file:
        del from_file["home"]
        faults.append(Fault(file=SETTINGS_FILE, key="home", says="the home is not a setting; give it with --home or GATEWAY_HOME."))
    faults.extend(_secrets_in(from_file))
    merged = _merge(from_file, from_variables)
    try:
        settings = Settings.model_validate({**merged, "home": home.absolute()})
    except ValidationError as error:
        told = Translator(merged, from_variables)
        # from None: pydantic's own text quotes input.
        raise config_error([*faults, *told.faults(error.errors(include_url=False))]) from None
    if faults:
        raise config_error(faults)
    return settings


def read_toml(path: Path, *, remedy: str) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        ConfigError: it is missing (then *remedy* is told), unreadable, or no TOML; with line and column.
    """
    return parse_toml(read_text(path, remedy=remedy), path.name)


def read_text(path: Path, *, remedy: str) -> str:
    """The text of a file.

    Raises:
        ConfigError: it is missing (then *remedy* is told), unreadable, or not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        fault = Fault(file=path.name, says=f"there is no such file in {path.parent}. {remedy}")
    except OSError as error:
        says = f"the file cannot be read ({error.strerror}). Check its owner and mode."
        fault = Fault(file=path.name, says=says)
    except UnicodeDecodeError as error:
        says = "this byte is not UTF-8. Save the file as UTF-8."
        fault = Fault(file=path.name, key=f"byte {error.start + 1}", says=says)
    raise config_error([fault])


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """The content of *text*; *file* is its name, for the fault.

    Raises:
        ConfigError: it is no TOML; with line and column.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # not only TOMLDecodeError: numbers too long, brackets too deep
        raise config_error([_syntax(file, str(error))]) from None


def read_secret(path: Path) -> str:
    """The secret in the file at *path*, without its line end.

    Raises:
        OperatorError: the file is missing, empty, or others may read it.
    """
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = file.read().removesuffix("\n").removesuffix("\r")
    except FileNotFoundError:
        raise UnsafeSecret(path=path, what="does not exist", mend="Write the secret into it") from None
    except UnicodeDecodeError:
        raise UnsafeSecret(path=path, what="is not text", mend="Save it as UTF-8") from None
    except OSError as error:
        raise UnsafeSecret(path=path, what=f"cannot be read ({error.strerror})", mend="Check its owner") from None
    if mode & stat.S_IRWXO:
        raise UnsafeSecret(path=path, what="is open to everybody", mend=f"chmod 0600 {path}")
    if not secret:
        raise UnsafeSecret(path=path, what="is empty", mend="Write the secret into it")
    return secret


class _Schema(Settings, BaseSettings):
    """The settings as pydantic-settings wants to see them: only to be read from variables."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid")


class _Variables(EnvSettingsSource):
    """``GATEWAY_…`` variables as nested tables."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(_Schema)
        self.env_vars = {name.lower(): value for name, value in environ.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """JSON if it is; else the text itself, so that the fault is told with the others."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def _unknown_variables(environ: Mapping[str, str], read: Mapping[str, Any]) -> list[Fault]:
    """Variables in our name whose section does not exist (unknown keys of a section are found later)."""
    known = [setting.variable for setting in describe_settings() if setting.variable]
    return [
        Fault(
            file=ENVIRONMENT, key=name, says="no such setting.",
            nearest=nearest(name, known),
        )
        for name in sorted(environ)
        if name.upper().startswith(PREFIX)
        and "__" in name
        and name.upper().removeprefix(PREFIX).split("__")[0].lower() not in read
    ]


def _secrets_in(from_file: Mapping[str, Any]) -> list[Fault]:
    """A password inside the database's URL: the file is for others' eyes too, a variable need not be."""
    storage = from_file.get("storage")
    database = storage.get("database") if isinstance(storage, dict) else None
    if not isinstance(database, str) or not _PASSWORD_IN_URL.match(database):
        return []
    says = "a password stands in the address; put it in a file of its own and name it in database_password_file."
    return [Fault(file=SETTINGS_FILE, section="[storage]", key="database", says=says)]


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """*below* with *above* laid over it, table by table."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def _syntax(file: str, text: str) -> Fault:
    """What tomllib said, with the place where an operator looks for it."""
    match = _AT.fullmatch(text)
    if match is None:
        return Fault(file=file, says="this is not TOML.")
    what = _TABLE.sub(lambda hit: f"[{'.'.join(_QUOTED.findall(hit[0]))}]", match["what"])
    remedy = "Texts stand in quotes, and every bracket is closed."
    if "twice" in what or "overwrite" in what:
        remedy = "Keep one of the two."
    return Fault(
        file=file, row=None if match["end"] else int(match["line"]),
        key="at its end" if match["end"] else f"column {match['column']}",
        says=f"{what[:1].lower()}{what[1:]}.", remedy=remedy,
    )  # fmt: skip
