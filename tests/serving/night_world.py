"""A night's surroundings: a home, images, and a model whose captions can be foretold."""

import io
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from deltalake import DeltaTable
from PIL import Image

from pipeline.core.environment import Home
from pipeline.imaging.decode import Fit
from pipeline.model.interface import Caption, PinnedModel
from serving.caption_shard import caption_shard
from serving.night import run_night
from serving.planning.plan import plan
from serving.runs.plan_file import Attempt
from serving.runs.settings import NightSettings

PINNED = PinnedModel("captioner", "3", "d" * 64, "numpy-float64", "models:/captioner/3")


@dataclass
class ColourCaptioner:
    """Says the mean colour of an image; remembers how many it was shown at once."""

    name: str = "captioner"
    version: str = "3"
    digest: str = "d" * 64
    engine: str = "numpy-float64"
    side: int = 16
    fit: Fit = "squash"
    calls: list[int] = field(default_factory=list)

    def caption(self, pixels):
        assert pixels.dtype == np.uint8
        assert pixels.shape[1:] == (self.side, self.side, 3)
        self.calls.append(len(pixels))
        means = pixels.reshape(len(pixels), -1, 3).mean(axis=1).round().astype(int)  # [n, 3]
        return [Caption(f"an image of {r} {g} {b}", -(r + 1) / 256, (f"<b>{r}</b>",)) for r, g, b in means]


def unexpected(pinned):
    raise AssertionError(f"{pinned} was loaded although there is nothing to caption")


def image(colour, size=(40, 30), kind="JPEG"):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


def settings_of(**given):
    """Settings of a night whose images are of one colour each: flagged, and captioned all the same."""
    return NightSettings(**{"unusable": "record", **given})


@dataclass
class World:
    """A home and an inbox in a temporary folder."""

    home: Home
    captioner: ColourCaptioner = field(default_factory=ColourCaptioner)
    now: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(hours=1))

    @classmethod
    def within(cls, folder):
        """With nothing outside a folder, MLflow's database included."""
        return cls(Home(folder, folder / "store", f"sqlite:///{folder / 'mlflow.db'}"))

    def put(self, name, data):
        path = self.home.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return str(path)

    def fill(self, count, start=0):
        return [self.put(f"{n:03d}.jpg", image((n, 2 * n % 256, 99))) for n in range(start, start + count)]

    def attempt(self, night="n1", run="r1"):
        return Attempt(night, run, self.now)

    def load(self, pinned):
        assert pinned == PINNED
        return self.captioner

    def captioned(self, night="n1", run="r1", **settings):
        """The plan of a run whose shards have finished."""
        made = plan(settings_of(**settings), self.home, PINNED, self.attempt(night, run))
        for shard in range(made["shards"]):
            caption_shard(made["plan"], shard, self.load)
        return made["plan"]

    def night(self, night="n1", run="r1", load=None, **settings):
        settings = {"experiment": None, **settings}  # MLflow's database takes seconds to make
        return run_night(settings_of(**settings), self.home, PINNED, load or self.load, self.attempt(night, run))

    def rows(self, current=False):
        table = DeltaTable(f"{self.home.captions}{'_current' if current else ''}")
        return sorted(table.to_pyarrow_table().to_pylist(), key=lambda row: (row["image"], row["etag"]))

    def images(self):
        return [row["image"] for row in self.rows()]

    def folder(self, night="n1", run="r1") -> Path:
        return self.home.store / "nights" / night / run
