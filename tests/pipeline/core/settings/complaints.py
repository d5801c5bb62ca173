"""What wrong settings are refused with."""

import pytest

from pipeline.core.errors import SettingsError
from pipeline.core.settings import TrainSettings, checked, train_settings


def complaint(values, kind=TrainSettings):
    with pytest.raises(SettingsError) as caught:
        train_settings(values) if kind is TrainSettings else checked(kind, values)
    message = str(caught.value)
    assert "\n" not in message
    return message
