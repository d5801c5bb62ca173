"""Typed settings: one model is the YAML file, `--set`, Airflow's form and the reference page."""

from pipeline.core.settings.base import Effect, Group, PathMark, marks_of, settings_with
from pipeline.core.settings.data import SourceSettings, ValidationSettings, VocabularySettings
from pipeline.core.settings.loading import (
    PRESETS,
    assign,
    checked,
    preset,
    preset_names,
    read_yaml,
    train_settings,
    yaml_value,
)
from pipeline.core.settings.training import (
    DecoderSettings,
    DecodingSettings,
    EncoderName,
    EncoderSettings,
    EvaluationSettings,
    GateSettings,
    RegistrySettings,
    SelfCriticalSettings,
    TrainingSettings,
    TrainSettings,
)

__all__ = ["Effect", "Group", "PathMark", "marks_of", "settings_with"]
__all__ += ["SourceSettings", "ValidationSettings", "VocabularySettings"]
__all__ += ["PRESETS", "assign", "checked", "preset", "preset_names", "read_yaml", "train_settings", "yaml_value"]
__all__ += [
    "DecoderSettings",
    "DecodingSettings",
    "EncoderName",
    "EncoderSettings",
    "EvaluationSettings",
    "GateSettings",
]
__all__ += ["RegistrySettings", "SelfCriticalSettings", "TrainSettings", "TrainingSettings"]
