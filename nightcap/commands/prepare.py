"""`nightcap prepare`: public data sets in the form that Nightcap trains on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightcap.console import echo, show, working
from pipeline.core.environment import Home

app = typer.Typer(no_args_is_help=True, help="Public data sets in the form that Nightcap trains on.")


@app.command()
def flickr8k(
    images: Annotated[Path, typer.Option(help="The folder of Flickr8k's JPEG files in their original size.")],
    annotations: Annotated[
        Path, typer.Option(help="Flickr8k.token.txt, the split lists beside it, or Karpathy's dataset_flickr8k.json.")
    ],
    output: Annotated[
        Path | None, typer.Option(help="A new folder to write; default data/flickr8k in NIGHTCAP_HOME.")
    ] = None,
) -> None:
    """Squash Flickr8k's images to 224x224 beside COCO captions files; prints a file for `nightcap train --config`."""
    from pipeline.data.sources.flickr8k import FLICKR8K_CONFIG, prepare_flickr8k

    target = (output or Home.from_environment().root / "data" / "flickr8k").resolve()
    with working("preparing Flickr8k"):
        report = prepare_flickr8k(images, annotations, target)
    counts = ", ".join(f"{count} {split}" for split, count in report["images"].items())
    show(f"{counts} images, {len(report['left_out'])} left out")
    config = target / FLICKR8K_CONFIG
    show(f"train on them with: nightcap train --config {config}")
    echo(config)
