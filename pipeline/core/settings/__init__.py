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

__all__ = [
    "PRESETS",
    "DecoderSettings",
    "DecodingSettings",
    "Effect",
    "EncoderName",
    "EncoderSettings",
    "EvaluationSettings",
    "GateSettings",
    "Group",
    "PathMark",
    "RegistrySettings",
    "SelfCriticalSettings",
    "SourceSettings",
    "TrainSettings",
    "TrainingSettings",
    "ValidationSettings",
    "VocabularySettings",
    "assign",
    "checked",
    "marks_of",
    "preset",
    "preset_names",
    "read_yaml",
    "settings_with",
    "train_settings",
    "yaml_value",
]
