"""A group of commands whose modules are imported when one of them is called, so that help needs none of their libraries."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

SECTIONS: Final = {
    "Train": {
        "prepare": "Public data sets in the form that Nightcap trains on.",
        "train": "Train, evaluate and register a captioning model. Stages that are done already are skipped.",
        "evaluate": "Caption annotated images and score the captions.",
        "score": "Score captions that any system wrote, matched by relative path, else by base name.",
        "models": "Registered model versions.",
        "prove": "Train on a public data set and write down all that it took.",
    },
    "Caption": {
        "caption": "Caption files and folders: one line of JSON an image, in order.",
        "night": "Caption what is new in a folder and publish it to a table, once.",
        "replay": "Caption quarantined images again after a fix, or a night again with another version; history stays.",
    },
    "Review": {
        "app": "Review captions in a browser: search them, accept them, write them anew. Until stopped.",
        "search": "Find images by words of their current captions, the best first.",
        "explain": "Show where the model looked for each word of an image's caption, and what the word rests on.",
        "quarantine": "List quarantined images and captions, a line of JSON each: image, sha256, status, reason, caption "
        "and more.",
        "pick": "List the images whose captions by people would teach a model most: it is unsure of them, and they differ.",
        "correct": "Add people's captions to the table of corrections: they are current at once, and join the next "
        "training's snapshot.",
        "trace": "Show where an image's captions come from, which models were trained on it, and in which nights they "
        "captioned.",
    },
    "Operate": {
        "run": "Train, register and caption on a real Airflow on this machine; by default all on built-in images.",
        "doctor": "Check this installation. Ends with 1 if something that every job needs is broken, or a GPU does not "
        "train as the CPU does.",
        "forget": "Remove images' captions, thumbnails, features and snapshot rows for good, and never caption them again.",
        "tables": "Upkeep of the tables of captions; nights may go on meanwhile.",
        "gc": "Remove stage outputs, features, checkpoints, cached models and ended nights that nothing reaches.",
        "backup": "Parts of `docker compose run --rm backup` and `restore`, which are what to call.",
        "move": "Move an embedded home into the stack that the environment names, whose MLflow was never used.",
        "exporter": "Serve metrics of the registry, the champion and the disks to Prometheus, until stopped.",
    },
}


class LazyCommands(TyperGroup):
    """The commands of `SECTIONS`, each a module of `nightcap.commands` with a function `command` or a group `app`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for section, commands in SECTIONS.items():
            for name, summary in commands.items():
                self.commands[name] = TyperCommand(name, help=summary, rich_help_panel=section)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the arguments name, imported now."""
        if args and args[0] in self.commands:
            self.commands[args[0]] = imported(args[0])
        return super().resolve_command(ctx, args)


def imported(name: str) -> Any:
    """A command or group of commands of `SECTIONS`, ready to be called."""
    module = import_module(f"nightcap.commands.{name}")
    if hasattr(module, "app"):
        command: Any = typer.main.get_group(module.app)
    else:
        app = typer.Typer(add_completion=False)
        app.command()(module.command)
        command = typer.main.get_command(app)
    command.name = name
    return command
