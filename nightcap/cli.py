"""`nightcap`: one command a module; heavy libraries are imported only when a command runs."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer
from typer.exceptions import Abort, TyperException

from nightcap.lazy_commands import LazyCommands
from pipeline.core.errors import NightcapError, SettingsError
from pipeline.core.redaction import masked
from pipeline.core.signals import CODE, Stopped, heeding_sigterm
from pipeline.core.terminal import escape_logs, escaped

app = typer.Typer(
    cls=LazyCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Captioned photographs in, a registered captioning model out; new photographs in, captions out.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nightcap {version('nightcap')}")
        raise typer.Exit


@app.callback()
def nightcap(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What every command shares."""
    from pipeline.core.environment import Home

    with suppress(NightcapError, OSError):  # a command that needs the home says what is wrong
        Home.from_environment().create()


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 the outside world failed, 2 arguments or settings are wrong, 143 terminated."""
    _quieten_libraries()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # JSON is UTF-8 whatever the locale
    try:
        with heeding_sigterm():
            code = typer.main.get_command(app).main(args=arguments, prog_name="nightcap", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code)
    except NightcapError as error:
        _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("pipeline."):
            raise
        _fail(f"this installation only loads and runs models and lacks {error.name}; use Airflow's image", 1)
    except TyperException as error:
        _fail(_usage_message(error), SettingsError.exit_code)
    except (KeyboardInterrupt, Abort):
        _fail("interrupted", 130)
    except Stopped:
        _fail("terminated", CODE)
    except OSError as error:
        sys.stdout = io.StringIO()  # else Python tries to write the rest again at exit
        _fail("" if isinstance(error, BrokenPipeError) else str(error), NightcapError.exit_code)


def _usage_message(error: TyperException) -> str:
    """The error in the arguments; empty when the help was shown instead."""
    message, context = error.format_message(), getattr(error, "ctx", None)
    return f"{message.rstrip('.')}; see {context.command_path} --help" if message and context else message


def _fail(message: str, code: int) -> NoReturn:
    if message:
        sys.stderr.write(f"nightcap: {escaped(masked(' '.join(message.split())))}\n")
    sys.exit(code)


def _quieten_libraries() -> None:
    """Libraries print only errors and, through logging, warnings."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # at 2 it calls a missing instruction an error; errors raise
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # for child processes
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    escape_logs()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of retracing
