"""Typed settings. One model is the YAML file, `--set`, Airflow's form and the reference page.

Nothing here reads the environment at import; `Home.from_environment` does, at the edge.
"""

from pipeline.core.settings.base import Group
from pipeline.core.settings.data import SourceSettings, ValidationSettings, VocabularySettings
from pipeline.core.settings.loading import (
    PRESETS,
    assign,
    checked,
    preset,
    preset_names,
    read_yaml,
    train_settings,
    values_named,
    yaml_value,
)
from pipeline.core.settings.training import (
    ENCODERS,
    DecoderSettings,
    DecodingSettings,
    EncoderSettings,
    EvaluationSettings,
    GateSettings,
    RegistrySettings,
    SelfCriticalSettings,
    TrainingSettings,
    TrainSettings,
)

__all__ = [
    "ENCODERS",
    "PRESETS",
    "DecoderSettings",
    "DecodingSettings",
    "EncoderSettings",
    "EvaluationSettings",
    "GateSettings",
    "Group",
    "RegistrySettings",
    "SelfCriticalSettings",
    "SourceSettings",
    "TrainSettings",
    "TrainingSettings",
    "ValidationSettings",
    "VocabularySettings",
    "assign",
    "checked",
    "preset",
    "preset_names",
    "read_yaml",
    "train_settings",
    "values_named",
    "yaml_value",
]
