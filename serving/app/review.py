"""What a person does with captions: accept, write anew, take back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from threading import Lock
from typing import Literal

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.metrics.edit_distance import edit_distance
from pipeline.storage.files import read_json_if_whole
from pipeline.storage.forgotten import heeding_forgotten
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.corrections import Correction, CorrectionTable
from pipeline.storage.tables.reviews import CaptionReview, ReviewTable
from pipeline.storage.tables.schema import MODEL
from serving.app.audit_sample import SIZE, AuditSamples
from serving.app.caption_index import CaptionIndex, CurrentCaption
from serving.runs.lifecycle import RunFolder, planned_runs
from serving.upkeep.correct import corrected_table, in_one_form, publish_corrections, withdraw_corrections

NightState = Literal["held", "under way", "published", "nothing new"]


@dataclass(frozen=True)
class NightLine:
    """A night's line in the list of nights."""

    night: str
    run: str
    state: NightState
    planned_at: datetime
    model: str
    captioned: int
    quarantined: int
    message: str | None  # why it is held
    audited: int = 0  # captions of its audit that people reviewed

    @property
    def to_audit(self) -> int:
        """How many captions its audit has."""
        return min(self.captioned, SIZE)


class Conflict(SettingsError):
    """Somebody else has changed a caption since it was shown."""

    def __init__(self, now: CurrentCaption | None, caption: str) -> None:
        by = f" by {now.who}" if now and now.who else ""
        super().__init__(
            f"the caption has changed{by} since it was shown" if now else "the image has no caption any more"
        )
        self.told = {"The caption now": now.caption if now else "none", "Your words, which are not saved": caption}


class Review:
    """The captions of a home's table, reviewed by one person; several threads may call at once."""

    def __init__(self, home: Home, who: str) -> None:
        """Read the current captions."""
        self.who = in_one_form(who)
        self.index = CaptionIndex(corrected_table(home))
        self.home = home
        self.listed = set[str]()  # images that pages have named, so that a browser may ask for them
        self.samples = AuditSamples(CaptionTable(home.captions))
        self._corrections = CorrectionTable.of(home.store)
        self.reviews = ReviewTable.of(home.store)
        self._writing = Lock()

    def save(self, image: str, caption: str, shown: str, audited: bool = False, blind: bool = False) -> None:
        """Make a person's words the caption of an image; Conflict unless its caption is still the one that was shown.

        Words left as they were make no caption: they are kept as a review of the model's, as are other words. An `audited`
        review is of an image that was drawn at random, and a `blind` one by a person who had written before the model's
        words were shown. Blanks and line breaks count as one blank, as browsers send them otherwise than they were stored.
        """
        caption = _one_line(caption)
        with self._writing, heeding_forgotten(self.home.store) as forgotten:
            table = corrected_table(self.home)
            before, current = table.version(), table.current([image]).get(image)
            if current is None or image in forgotten or _one_line(current) != _one_line(shown):
                self.index.reread(image)
                if (now := self.index.of(image)) and now.caption == caption and self.wrote(now.who):
                    return  # the same form was sent twice
                raise Conflict(now, caption)
            reviewed = self._reviewed(image, current, audited, blind)
            if caption == _one_line(current):
                self.reviews.append([replace(each, decision="accepted") for each in reviewed])
                return
            correction = Correction(image, caption, self.who, datetime.now(UTC))  # or an error, before anything is kept
            # The review comes first: a save that is stopped may be repeated, and then the words are the person's already.
            self.reviews.append([replace(each, distance=edit_distance(current, caption)) for each in reviewed])
            publish_corrections(self.home, self._corrections, [correction])
            self.index.reread(image, before)

    def reject(self, image: str, shown: str, audited: bool = False, blind: bool = False) -> None:
        """Keep that a model's caption is wrong, which stays until somebody writes another; raises as `save`."""
        with self._writing, heeding_forgotten(self.home.store) as forgotten:
            current = corrected_table(self.home).current([image]).get(image)
            if current is None or image in forgotten or _one_line(current) != _one_line(shown):
                self.index.reread(image)
                raise Conflict(self.index.of(image), "none: the caption was rejected")
            reviewed = self._reviewed(image, current, audited, blind)
            self.reviews.append([replace(each, decision="rejected") for each in reviewed])

    def undo(self, image: str) -> None:
        """Take back the person's newest words, or what they last said of the model's; SettingsError if there is neither."""
        with self._writing, heeding_forgotten(self.home.store) as forgotten:
            before = corrected_table(self.home).version()
            taken, _ = withdraw_corrections(self.home, self._corrections, partial(self._is_mine, image))
            mine = [each for each in self.reviews.read() if each.image == image and self.wrote(each.who)][-1:]
            if not taken and not mine:
                raise SettingsError(f"{self.who} wrote no caption of {image}")
            now = datetime.now(UTC)
            back = [replace(each, decision="taken back", reviewed_at=now) for each in mine if image not in forgotten]
            self.reviews.append(back)
            self.index.reread(image, before)

    def _reviewed(self, image: str, current: str, audited: bool, blind: bool) -> list[CaptionReview]:
        """A review of the current caption as an edited one; none if a person wrote the caption."""
        now = self.index.of(image)
        if now is None or now.caption != current:
            self.index.reread(image)
            now = self.index.of(image)
        if now is None or now.source != MODEL:
            return []
        of_model = (now.model_name, now.model_version, now.night)
        review = CaptionReview(image, *of_model, "edited", self.who, datetime.now(UTC), audited=audited, blind=blind)
        return [review]

    def _is_mine(self, image: str, correction: Correction) -> bool:
        return correction.image == image and self.wrote(correction.who)

    def wrote(self, who: str | None) -> bool:
        """Whether a name is the person's, in whatever form."""
        return who is not None and in_one_form(who) == self.who

    def has_said(self, shown: CurrentCaption) -> bool:
        """Whether the person wrote a current caption, or reviewed it."""
        key = (shown.image, shown.model_name, shown.model_version, shown.night)
        return self.wrote(shown.who) or any(each.key == key and self.wrote(each.who) for each in self.reviews.read())

    def night_with_images(self, night: str, run: str) -> NightLine:
        """A night by its name, or else by its run in Airflow; SettingsError if it has no images to look at.

        Of several runs of a night one with captions comes before one whose images were all quarantined.
        """
        lines = [line for line in self.nights() if (line.night == night if night else line.run == run)]
        shown = [line for line in lines if line.captioned or line.quarantined or line.state == "held"]
        if not shown:
            raise SettingsError(
                f"{night or run!r} has no images to look at: it is no night, found nothing new, or is still at work. "
                "A run that accepted a held night has its link on the task `publish`."
            )
        return min(shown, key=lambda line: line.state != "held" and not line.captioned)

    def nights(self) -> list[NightLine]:
        """The home's nights: held ones first, then the newest."""
        audited = Counter(each.night for each in self.reviews.read() if each.audited)
        found = filter(None, map(_line, planned_runs(self.home.store)))
        lines = [replace(each, audited=audited[each.night]) for each in found]
        return sorted(lines, key=lambda line: (line.state == "held", line.planned_at), reverse=True)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _line(run: RunFolder) -> NightLine | None:
    """A run's line; None for one that went meanwhile, or whose plan a power cut has cut."""
    if (plan := read_json_if_whole(run.path)) is None:
        return None
    outcome = read_json_if_whole(run.published_file) or {"captioned": 0, "quarantined": 0}
    model = plan["model"]
    night, name = run.names
    return NightLine(
        night=night,
        run=name,
        state=_state(run),
        planned_at=datetime.fromisoformat(plan["planned_at"]),
        model=" ".join(filter(None, (model["name"], model["version"]))),
        captioned=outcome["captioned"],
        quarantined=outcome["quarantined"],
        message=run.hold_message,
    )


def _state(run: RunFolder) -> NightState:
    if run.hold_message:
        return "held"
    if run.is_published:
        return "published"
    return "nothing new" if run.has_ended else "under way"
