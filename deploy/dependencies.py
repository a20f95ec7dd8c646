"""What is locked in ``constraints.txt``: its licences as CycloneDX, and its known faults. ``make`` runs the tools.

``dependencies.py materials FOUND`` keeps of cyclonedx-py's document what is locked, in ``bill-of-materials.json``;
``dependencies.py faults FOUND…`` reads what pip-audit found in each database, and writes ``known-faults.md``. Exit
status 1: something locked has no licence or is not installed, or a known fault that ``allowed-faults.toml`` has not.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from datetime import UTC, datetime
from importlib.metadata import metadata
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
LOCKED: Final = ROOT / "constraints.txt"
MATERIALS: Final = ROOT / "deploy/bill-of-materials.json"
FAULTS: Final = ROOT / "deploy/known-faults.md"
ALLOWED: Final = ROOT / "deploy/allowed-faults.toml"
READ: Final = {"mlcroissant": "Apache-2.0"}
"""Licences that a package's own data does not say; each stands in the README of its repository."""
_ANSWERED: Final = re.compile(r"^Last answer: (.+)$", re.MULTILINE)
_NEVER: Final = "none yet."

Json = dict[str, Any]


class Known(NamedTuple):
    """A known fault of a package that is locked, under each of its ids."""

    package: str
    version: str
    ids: tuple[str, ...]
    mended: tuple[str, ...]


def normal(name: str) -> str:
    """A package's name as all its spellings come to."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> dict[str, str]:
    """Versions by normal name, of the lines of ``constraints.txt``."""
    pins = (line.partition("==") for line in text.splitlines() if "==" in line and not line.startswith("#"))
    return {normal(name.strip()): version.strip() for name, _, version in pins}


def bill(found: Json, wanted: dict[str, str]) -> Json:
    """The components of what is locked, by name, with licences and without addresses. Raises ``ValueError``."""
    by_name = {normal(each["name"]): each for each in found["components"]}
    missing = [f"{name}=={version}" for name, version in wanted.items() if _version(by_name, name) != version]
    if missing:
        raise ValueError(f"not installed as they are locked: {', '.join(missing)}; run `make install`")
    components = [
        {"type": "library", **{key: by_name[name][key] for key in ("name", "version", "purl")}, "licenses": licences}
        for name in sorted(wanted)
        if (licences := by_name[name].get("licenses") or _licences(name))
    ]
    nameless = wanted.keys() - {normal(each["name"]) for each in components}
    if nameless:
        raise ValueError(f"without a licence: {', '.join(sorted(nameless))}; read it, and add it to READ")
    return {"bomFormat": "CycloneDX", "specVersion": found["specVersion"], "version": 1, "components": components}


def _version(by_name: dict[str, Json], name: str) -> str | None:
    return by_name[name].get("version") if name in by_name else None


def _licences(name: str) -> list[Json]:
    """The licence in a package's own words, where these are no SPDX expression."""
    said = READ.get(name) or metadata(name).json.get("license")
    return [{"license": {"name": said}}] if said else []


def looked_up(found: list[Json], wanted: dict[str, str]) -> tuple[set[str], list[Known]]:
    """Which packages some database knows, as they are locked, and what it knows against them.

    A package that a database does not have was not looked up, which is not the same as having no fault.
    """
    answers = [each for one in found for each in one["dependencies"] if "vulns" in each]
    asked = {normal(each["name"]) for each in answers} & wanted.keys()
    known = {
        Known(
            normal(each["name"]),
            each["version"],
            (fault["id"], *sorted(fault["aliases"])),
            tuple(fault["fix_versions"]),
        )
        for each in answers
        for fault in each["vulns"]
    }
    return asked, sorted(known)


def page(before: str, today: str, found: list[Json], wanted: dict[str, str], reasons: Json) -> str:
    """The page: when it was asked, what was answered, and each fault with the reason why it may stay, if any."""
    asked, known = looked_up(found, wanted)
    earlier = match[1] if (match := _ANSWERED.search(before)) else _NEVER
    answer = f"{today}, {len(asked)} of {len(wanted)} packages, {len(known)} known faults." if asked else earlier
    lines = [
        "# Known faults of what is locked",
        "",
        "`make audit` writes this page: it asks the advisory databases of PyPI and OSV about `constraints.txt`.",
        "A fault that is to stay needs its id and a reason in `allowed-faults.toml`.",
        "",
        f"Last asked: {today}{'.' if asked else ', and no advisory database could be reached.'}",
        "",
        f"Last answer: {answer}",
    ]
    if asked and (unknown := sorted(wanted.keys() - asked)):
        lines += ["", f"No database has: {', '.join(unknown)}."]
    if known:
        lines += ["", "| package | fault | mended in | may stay because |", "|---|---|---|---|"]
        lines += [
            f"| {each.package} {each.version} | {each.ids[0]} | {', '.join(each.mended) or 'none'} "
            f"| {reason(each, reasons) or '**not allowed**'} |"
            for each in known
        ]
    return "\n".join([*lines, ""])


def reason(fault: Known, reasons: Json) -> str:
    """Why a fault may stay; nothing where nobody said so."""
    given = (str(reasons[each].get("reason", "")).strip() for each in fault.ids if each in reasons)
    return next(filter(None, given), "")


def _write_materials(found: str) -> str:
    document = bill(json.loads(Path(found).read_text(encoding="utf-8")), locked(LOCKED.read_text(encoding="utf-8")))
    MATERIALS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return ""


def _write_faults(*found: str) -> str:
    wanted = locked(LOCKED.read_text(encoding="utf-8"))
    reasons = tomllib.loads(ALLOWED.read_text(encoding="utf-8"))
    answers = [json.loads(Path(each).read_text(encoding="utf-8")) for each in found if Path(each).is_file()]
    before = FAULTS.read_text(encoding="utf-8") if FAULTS.exists() else ""
    written = page(before, f"{datetime.now(UTC):%Y-%m-%d}", answers, wanted, reasons)
    FAULTS.write_text(written, encoding="utf-8")
    sys.stdout.write(written)
    return ", ".join(
        f"{each.package} {each.ids[0]}" for each in looked_up(answers, wanted)[1] if not reason(each, reasons)
    )


def main(task: str, *found: str) -> str:
    """Do one of the tasks; what is wrong, if anything."""
    try:
        return _write_materials(*found) if task == "materials" else _write_faults(*found)
    except ValueError as error:
        return str(error)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) or 0)
