"""What a person does with captions: accept, write anew, take back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Literal

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.storage.files import read_json
from pipeline.storage.forgotten import heeding_forgotten
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.corrections import Correction, CorrectionTable
from serving.app.caption_index import CaptionIndex, CurrentCaption
from serving.runs.lifecycle import RunFolder, planned_runs
from serving.upkeep.correct import publish_corrections, withdraw_corrections


@dataclass(frozen=True)
class NightLine:
    """A night's line in the list of nights."""

    night: str
    run: str
    state: Literal["held", "under way", "published", "nothing new"]
    planned_at: datetime
    model: str
    captioned: int
    quarantined: int
    message: str | None  # why it is held


class Conflict(SettingsError):
    """Somebody else has changed a caption since it was shown."""

    def __init__(self, now: CurrentCaption | None) -> None:
        by = f" by {now.who}" if now and now.who else ""
        super().__init__(
            f"the caption has changed{by} since it was shown" if now else "the image has no caption any more"
        )
        self.now = now


class Review:
    """The captions of a home's table, reviewed by one person; several threads may call at once."""

    def __init__(self, home: Home, who: str) -> None:
        """Read the current captions."""
        self.who = who
        self.index = CaptionIndex(CaptionTable(home.captions))
        self._home = home
        self._corrections = CorrectionTable(home.store / "corrections")
        self._writing = Lock()

    def save(self, image: str, caption: str, shown: str) -> None:
        """Make a person's words the caption of an image; Conflict unless its caption is still the one that was shown."""
        with self._writing, heeding_forgotten(self._home.store) as forgotten:
            current = CaptionTable(self._home.captions).current([image]).get(image)
            if current is None or current != shown or image in forgotten:
                self.index.reread(image)
                raise Conflict(self.index.of(image))
            self._corrections.append([Correction(image, caption.strip(), self.who, datetime.now(UTC))])
            publish_corrections(self._home, self._corrections, {image})
        self.index.reread(image)

    def undo(self, image: str) -> None:
        """Take back the person's newest words; SettingsError if there are none."""
        with self._writing:
            taken = self._corrections.take_back(lambda each: (each.image, each.who) == (image, self.who))
            if not taken:
                raise SettingsError(f"{self.who} wrote no caption of {image}")
            withdraw_corrections(self._home, taken)
        self.index.reread(image)

    def nights(self) -> list[NightLine]:
        """The home's nights: held ones first, then the newest."""
        lines = [_line(run) for run in planned_runs(self._home.store)]
        return sorted(lines, key=lambda line: (line.state == "held", line.planned_at), reverse=True)


def _line(run: RunFolder) -> NightLine:
    plan = read_json(run.path)
    outcome = read_json(run.published_file) if run.is_published else {"captioned": 0, "quarantined": 0}
    model, message = plan["model"], run.hold_message
    night, name = run.names
    return NightLine(
        night=night,
        run=name,
        state="held"
        if message
        else "published"
        if run.is_published
        else "nothing new"
        if run.has_ended
        else "under way",
        planned_at=datetime.fromisoformat(plan["planned_at"]),
        model=" ".join(filter(None, (model["name"], model["version"]))),
        captioned=outcome["captioned"],
        quarantined=outcome["quarantined"],
        message=message,
    )
