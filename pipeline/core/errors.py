"""Every error Nightcap raises on purpose.

    NightcapError
    ├── Retryable             the outside world failed; the same call may work later
    │   ├── RegistryUnavailable
    │   ├── ObjectUnavailable
    │   └── DecoderUnavailable
    ├── Permanent             fails again until a person changes something
    │   ├── SettingsError     an argument, setting or file named by the user is wrong
    │   │   └── ModelNotFound
    │   │       └── NothingPromoted  no version of a model has ever been promoted
    │   ├── DatasetRejected   a dataset rule failed
    │   ├── StageOutputRejected  a stage's output is not as the stage wrote it
    │   ├── FileDamaged       a file is empty or cut, as a power cut leaves one
    │   ├── BundleRejected    a model version is damaged or is not what it claims to be
    │   ├── NightRejected     a night cannot be published as it is
    │   │   └── NightHeld     it is whole, but too odd to publish without a person's word
    │   ├── PromotionConflict another promotion came first
    │   └── PromotionRefused  a model version may not caption
    └── BadInput              one image or caption; it is quarantined under `reason`
        ├── BadImage
        └── SourceChanged

The first branch is retried by Airflow, the second is not, the third never leaves the row it
struck. Every message says what was wrong, with which value, where, and what to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pipeline.core.reasons import SOURCE_CHANGED
from pipeline.core.terminal import escaped


class NightcapError(Exception):
    """The root; `exit_code` is what the command line ends with."""

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        """The message as a console or log may show it; Airflow logs errors by itself."""
        return escaped(super().__str__())


class Retryable(NightcapError):
    """The outside world failed; the same call may work later."""


class RegistryUnavailable(Retryable):
    """MLflow does not answer."""


class ObjectUnavailable(Retryable):
    """A file or object could not be read or written for a reason that may pass."""


class DecoderUnavailable(Retryable):
    """No process for decoding images can be started."""


class Permanent(NightcapError):
    """Fails again until a person changes something."""


class SettingsError(Permanent):
    """An argument, a setting or a file that the user named is wrong."""

    exit_code: ClassVar[int] = 2


class ModelNotFound(SettingsError):
    """No model version or bundle is where the user pointed."""


class NothingPromoted(ModelNotFound):
    """No version of a model has ever been promoted, so nights have nothing to caption with yet."""


class DatasetRejected(Permanent):
    """The data as a whole break a rule, so nothing is trained on them."""

    def __init__(self, message: str, docs: Path | None = None) -> None:
        super().__init__(message)
        self.docs = docs  # the page with the findings
        self.page: str | None = None  # its address in MLflow, where a server shows it


class StageOutputRejected(Permanent):
    """A stage's output is not as the stage wrote it."""


class FileDamaged(Permanent, ValueError):
    """A file is empty or cut, as a power cut leaves one."""


class BundleRejected(Permanent):
    """A model version is damaged, incomplete, or not what it claims to be."""


class NightRejected(Permanent):
    """A night cannot be published as it is: parts are missing, or too much is quarantined."""


class NightHeld(NightRejected):
    """A night is whole, but too odd to be published unless a person accepts it; its parts stay."""


class PromotionConflict(Permanent):
    """Another promotion or rollback of the same model came first; the verdict is about a champion that is none."""


class PromotionRefused(Permanent):
    """A model version may not caption: the gate refused it, or it does not do what its bundle says."""


class BadInput(NightcapError):
    """One image or caption cannot be used; the others can."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason  # a code of pipeline.core.reasons


class BadImage(BadInput):
    """The bytes are no image that may be captioned."""


class SourceChanged(BadInput):
    """The object is not the one that was listed."""

    def __init__(self, message: str) -> None:
        super().__init__(SOURCE_CHANGED, message)
