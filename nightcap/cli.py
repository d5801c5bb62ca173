"""`nightcap`: one command a module; what is heavy is imported only when a command runs."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

import typer
from typer.exceptions import Abort, TyperException

from nightcap.commands import caption, doctor, evaluate, models, night, run, score, train
from pipeline.errors import NightcapError, SettingsError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Captioned photographs in, a registered captioning model out; new photographs in, captions out.",
)
for module in (train, caption, night, evaluate, score, doctor, run):
    app.command(module.__name__.rpartition(".")[2])(module.command)
app.add_typer(models.app, name="models")


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 the outside world failed, 2 arguments or settings are wrong."""
    _quieten()
    try:
        sys.exit(typer.main.get_command(app).main(args=arguments, prog_name="nightcap", standalone_mode=False))
    except NightcapError as error:
        _fail(str(error), error.exit_code)
    except TyperException as error:
        _fail(str(getattr(error, "message", error)), SettingsError.exit_code)
    except (KeyboardInterrupt, Abort):
        _fail("interrupted", 130)


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"nightcap: {' '.join(message.split())}\n")
    sys.exit(code)


def _quieten() -> None:
    """Libraries that talk about themselves are told to speak only of trouble."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)


if __name__ == "__main__":
    main()
