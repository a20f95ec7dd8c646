"""Keys and secrets of the environment, checked before one is sent or signed with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from labelsnap.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CHARACTERS: Final = 8192
OF_S3: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def check_secret(variable: str, value: str) -> None:
    """Raise ``ConfigurationError`` for what a file or a copy has made of a secret; the empty one is none.

    Such are a line break or another control character, anywhere, and nothing but blanks. The message does not repeat
    it.
    """
    if value and not value.strip():
        raise _refusal(variable, "nothing but blanks or line breaks", remedy="Set the secret itself, or unset it.")
    if value.rstrip("\r\n") != value and value.rstrip("\r\n").isprintable():
        raise _refusal(
            variable,
            "a line break at its end",
            remedy="It is the file's that the secret was made from (`kubectl create secret --from-file`, `echo`): "
            "write the file with `printf %s`, or use `--from-literal`.",
        )
    if not value.isprintable():
        raise _refusal(variable, "a line break or another control character in it", remedy="Copy it again, whole.")
    if len(value) > MAX_CHARACTERS:
        raise _refusal(variable, f"more than {MAX_CHARACTERS} characters", remedy="Set the secret itself.")


def check_key(variable: str, value: str) -> None:
    """The same for a key, which is sent in a header: visible characters of ASCII, without blanks."""
    check_secret(variable, value)
    if not value.isascii() or " " in value:
        raise _refusal(
            variable, "a blank, or a character beyond ASCII", remedy="Copy it again, without quotes and whatever else."
        )


def check_keys_of_s3(environment: Mapping[str, str]) -> None:
    """The same for what boto3 reads of an environment, and would send as it is."""
    for variable in OF_S3:
        check_key(variable, environment.get(variable, ""))


def _refusal(variable: str, found: str, *, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        f"The environment variable {variable} cannot be used: expected a secret on one line, found {found}.",
        remedy=remedy,
        code="bad_secret",
    )
