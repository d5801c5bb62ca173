"""`nightcap explain`: a page that shows what each word of a caption rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from PIL import Image

from nightcap.captioning import DEFAULT_MODEL, ModelOption, load_model
from nightcap.console import echo, show, working
from nightcap.images import NamedFile
from pipeline.core.environment import Home
from pipeline.core.errors import BadImage, SettingsError
from pipeline.imaging.decode import ImageLimits
from pipeline.imaging.sandbox import Decoders, Work
from pipeline.storage.files import digest_of, sha256, write_text
from pipeline.storage.objects import printable


def command(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="An image.")],
    model: ModelOption = DEFAULT_MODEL,
    output: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder of the page; default explanations in NIGHTCAP_HOME.")
    ] = None,
) -> None:
    """Show where the model looked for each word of an image's caption, and what the word rests on."""
    from nightcap.explanation_page import ExplainedImage, render_explanation
    from pipeline.model.explanation import explain

    folder = _folder(output)
    data, upright = _read(image)
    captioner = load_model(model, None)
    with working("explaining"):
        square = _decoded(data, Work.within(ImageLimits(), captioner.side, captioner.fit))
        caption = captioner.caption(square[None])[0]
        explanation = explain(captioner, square, caption.text)
        explained = ExplainedImage(printable(image), upright, square, caption, explanation)
    name = f"{printable(Path(image).stem)[:50]}-{digest_of([sha256(data), captioner.digest])[:8]}.html"
    write_text(folder / name, render_explanation(explained, captioner))
    show(f"{explained.caption.text} ({explained.caption.score:.2f})")
    echo(folder / name)


def _read(image: str) -> tuple[bytes, Image.Image]:
    from nightcap.explanation_page import IMAGE_SIDE

    if not Path(image).is_file():
        raise SettingsError(f"there is no image at {image!r}; name one file")
    try:
        data = NamedFile(image, Path(image)).read(ImageLimits())
        return data, Image.fromarray(_decoded(data, Work.within(ImageLimits(), IMAGE_SIDE, "keep")))
    except BadImage as error:
        raise BadImage(error.reason, f"{image!r} cannot be explained: {error}") from error


def _decoded(data: bytes, work: Work) -> npt.NDArray[np.uint8]:
    with Decoders(work, 1) as decoders:
        return decoders.decode(data).pixels


def _folder(output: Path | None) -> Path:
    folder = Home.from_environment().root / "explanations" if output is None else output.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"--output {folder} cannot be made ({error.strerror}); name another folder") from error
    return folder
