"""`nightcap models`: what is registered."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from nightcap.console import echo, echo_json, literal, show, working
from nightcap.options import TableOption, settings_from
from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.core.points import points
from pipeline.model.model_uri import ModelUri
from pipeline.registry.external import name_external, revoke_external
from pipeline.registry.journal import Journal
from pipeline.registry.promotions import GATE_TAG, VERDICT_TAG, Promotions, whoami
from pipeline.registry.versions import CIDER_TAG, Registry
from serving.upkeep.rollback import roll_back, rollback_settings

WIDTH = 200  # where there is no terminal to fit into

app = typer.Typer(no_args_is_help=True, help="Registered model versions.")


@app.command(name="list")
def list_versions(
    name: Annotated[str | None, typer.Argument(help="One model only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON a version.")] = False,
) -> None:
    """List the registered versions, the newest first."""
    with working("asking MLflow"):
        versions = Registry(Home.from_environment()).versions(name)
    rows = [_row(version) for version in versions]
    if as_json:
        for row in rows:
            echo_json(row)
    elif not rows:
        echo(f"no version of {name}" if name else "no versions yet; `nightcap train` registers the first")
    else:
        Console(width=None if sys.stdout.isatty() else WIDTH).print(_table(rows))


ModelNameOption = Annotated[str, typer.Option(help="The model.")]
WhyOption = Annotated[str, typer.Option(help="A word for the promotion journal.")]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The settings file of its training, whose group gate limits the trial.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, such as gate.max_seconds_per_image=9."),
]


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="Number of the version that captions from now on.")],
    name: ModelNameOption = "captioner",
    why: WhyOption = "",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Even if the gate has not let it pass against the present champion.")
    ] = False,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Make a version the champion, after a trial in a clean process."""
    _try(name, version, config, assignments)
    with working("asking MLflow"):
        entry = Promotions(Home.from_environment()).promote_by_hand(name, version, whoami(), why, anyway)
    echo(f"{name} version {version} is the champion{_entry_note(entry.number if entry else None)}")


@app.command()
def verify(
    version: Annotated[str, typer.Argument(help="Number of the version.")],
    name: ModelNameOption = "captioner",
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Load a version in a clean process, reproduce its golden captions and caption a sample."""
    trial = _try(name, version, config, assignments)
    echo(
        f"{name} version {version}: {trial['golden']:.0f} golden captions reproduced; loaded in {trial['load_s']:.1f} s, "
        f"{trial['seconds_per_image']:.3f} s an image, at most {trial['memory_gib']:.2f} GiB"
    )


def _try(name: str, version: str, config: Path | None, assignments: list[str] | None) -> dict[str, float]:
    """The measurements of a version's trial, which is within the limits of `gate`."""
    from pipeline.registry.infra_validation import try_version

    budget = settings_from(config, assignments).gate
    with working("loading it in a clean process"):
        return try_version(Home.from_environment(), str(ModelUri(name, version)), budget)


ExternalArgument = Annotated[
    str, typer.Argument(help="models:/name/version or models:/name@alias of an MLflow pyfunc.")
]


@app.command()
def external(model: ExternalArgument, why: WhyOption = "") -> None:
    """Name a registered captioner that others made, so that nights may run its code in a process of its own.

    Its files and signature are checked, none of it is run. Only this version is named, and only with these files, in the
    promotion journal.
    """
    with working("checking its files"):
        pinned = name_external(Home.from_environment(), model, whoami(), why)
    echo(f"{pinned.uri} may caption, with digest {pinned.digest}")


@app.command()
def revoke(model: ExternalArgument, why: WhyOption = "") -> None:
    """Let a captioner that others made run no more; nights are refused it when they pin and when they load.

    Captions that it has published stay: `nightcap models withdraw` takes them back. If it is the champion, make another
    the champion, or nights stop.
    """
    with working("writing the promotion journal"):
        entry = revoke_external(Home.from_environment(), model, whoami(), why)
    echo(f"models:/{entry.model}/{entry.target} may caption no more{_entry_note(entry.number)}")


@app.command(name="foreign", hidden=True)
def _foreign(model: ExternalArgument) -> None:
    """Do what `external` does, under its old name."""
    message = "`nightcap models foreign` is now `nightcap models external`; the old name goes with the next release"
    show(message, "yellow")
    external(model)


@app.command()
def rollback(
    version: Annotated[
        str | None, typer.Argument(help="Number of the version that captions from now on; default the one before.")
    ] = None,
    name: ModelNameOption = "captioner",
    why: WhyOption = "",
    withdraw: Annotated[
        bool,
        typer.Option(
            "--withdraw", help="Also withdraw what the version that is given up and those between have captioned."
        ),
    ] = False,
    table: TableOption = None,
) -> None:
    """Make an earlier version the champion again, and list the nights that used the version that is given up.

    Images whose captions are withdrawn fall back to those before. A night of a version given up that is under way still
    publishes its captions: run `nightcap models withdraw VERSION` after it. This again would go back one version more.
    """
    home = Home.from_environment().reaching(table)
    with working("asking MLflow"):
        settings = rollback_settings({"version": version, "why": why, "model_name": name, "table": table})
        done = roll_back(home, settings, whoami())
        given_up = Promotions(home).given_up_by(name, done["entry"]) if withdraw else []
    echo(f"{name} version {done['version']} is the champion{_entry_note(done['entry'])}")
    if done["given_up"]:
        echo(_nights_line(done["given_up"], done["nights"]))
    if withdraw:
        _withdraw(home, table, name, given_up)
        echo(_withdraw_advice(name, given_up, table))


@app.command(name="withdraw")
def withdraw_versions(
    versions: Annotated[list[str], typer.Argument(help="Numbers of the versions.")],
    name: ModelNameOption = "captioner",
    table: TableOption = None,
) -> None:
    """Mark what versions have captioned as withdrawn, so that images fall back to the captions before.

    Not of the champion: the next night would caption its images with it again. Once more does no harm.
    """
    home = Home.from_environment().reaching(table)
    with working("asking MLflow"):
        promotions = Promotions(home)
        champion = promotions.champion(name)
        numbers = [promotions.registry.version(str(ModelUri(name, version))).version for version in versions]
    if champion is not None and champion.version in numbers:
        raise SettingsError(
            f"{name} version {champion.version} is the champion and would caption the same images again; "
            "`nightcap models rollback --withdraw` first makes another the champion"
        )
    _withdraw(home, table, name, numbers)


@app.command()
def journal(
    name: Annotated[str, typer.Argument(help="The model.")] = "captioner",
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON an entry.")] = False,
) -> None:
    """Show the promotion journal of a model: every promotion and rollback, the newest first."""
    for entry in Journal.of(Home.from_environment()).entries(name):
        if as_json:
            echo_json(entry.model_dump(mode="json", by_alias=True))
        else:
            why = f": {entry.why}" if entry.why else ""
            echo(
                f"{entry.number:>4}  {entry.when:%Y-%m-%d %H:%M}  {entry.action} {entry.origin or '-'} -> {entry.target}  "
                f"{entry.who}{why}"
            )


@app.command(name="repair")
def repair_registry(
    name: Annotated[str, typer.Argument(help="The model.")] = "captioner",
    only_show: Annotated[bool, typer.Option("--dry-run", help="Show them, and mend nothing.")] = False,
) -> None:
    """Show the promotion journal and MLflow side by side, and mend what does not fit.

    Alias and tag are set by the journal. A champion that MLflow has lost is registered anew from the same bytes, if the
    cache or the store of this machine still has them.
    """
    from pipeline.release.repair import mend, standings

    home = Home.from_environment()
    with working("asking MLflow"):
        found = standings(Promotions(home), name)
    table = Table(title=literal(name))
    for title in ("version", "state", "entry", "digest by the journal", "digest in MLflow"):
        table.add_column(title, overflow="fold")
    for each in found:
        number, digest = (str(each.entry.number), each.entry.digest[:12]) if each.entry else ("-", "-")
        mark = " (champion)" if each.is_champion else ""
        table.add_row(f"{each.version}{mark}", each.state, number, digest, (each.registered or "-")[:12])
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)
    for line in () if only_show else mend(home, name, whoami()):
        echo(line)


def _entry_note(entry: int | None) -> str:
    return f" (entry {entry} of the promotion journal)" if entry else " already"


def _nights_line(version: str, nights: dict[str, int]) -> str:
    if not nights:
        return f"no night has used version {version}"
    counts = ", ".join(f"{night} ({count})" for night, count in nights.items())
    return f"nights that used version {version}, with their captions: {counts}"


def _withdraw(home: Home, table: str | None, name: str, versions: list[str]) -> None:
    from pipeline.storage.tables import CaptionTable
    from pipeline.storage.tables.withdraw import withdraw
    from serving.runs.places import Places

    history = Places.of(home).require_table(CaptionTable(table or home.captions))
    for version in versions:
        with working("withdrawing captions"):
            count = withdraw(history, name, version)
        echo(f"{count} captions of version {version} are withdrawn")


def _withdraw_advice(name: str, given_up: list[str], table: str | None) -> str:
    """The command for a person to run once nights that began before a rollback have ended."""
    if not given_up:
        return "no version was given up, so no captions are withdrawn; `nightcap models withdraw VERSION` names one"
    more = [*(["--name", name] if name != "captioner" else []), *(["--table", table] if table else [])]
    again = shlex.join(["nightcap", "models", "withdraw", *given_up, *more])
    return f"a night under way with such a version still publishes; after it run: {again}"


def _row(version: Any) -> dict[str, Any]:
    return {
        "name": version.name,
        "version": version.version,
        "aliases": list(version.aliases),
        "test_cider_d": float(version.tags[CIDER_TAG]) if CIDER_TAG in version.tags else None,
        "gate": version.tags.get(GATE_TAG),
        "verdict": version.tags.get(VERDICT_TAG),
        "bundle_digest": version.digest,
        "created": datetime.fromtimestamp(version.created_ms / 1000, UTC).isoformat(timespec="seconds"),
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table()
    for title in ("model", "version", "aliases", "CIDEr-D", "gate", "bundle", "created"):
        table.add_column(title, overflow="fold")
    for row in rows:
        score = "-" if row["test_cider_d"] is None else points(row["test_cider_d"])
        digest = (row["bundle_digest"] or "-")[:12]
        gate = row["gate"] or "not judged"
        cells = (row["name"], row["version"], ", ".join(row["aliases"]), score, gate, digest, row["created"][:16])
        table.add_row(*map(literal, cells))
    return table
