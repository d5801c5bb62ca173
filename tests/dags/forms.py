"""The fields that each DAG's form should have, and what Airflow lets into them."""

import jsonschema

from pipeline.core.settings.form import fields_of, training_fields
from serving.runs.settings import NightSettings
from serving.upkeep.rollback import RollbackSettings
from serving.upkeep.tables import TendingSettings

FIELDS = {
    "train_captioner": list(training_fields()),
    "caption_nightly": list(fields_of(NightSettings)),
    "tend_tables": list(fields_of(TendingSettings)),
    "rollback_captioner": list(fields_of(RollbackSettings)),
    "watch_corrections": [],
    "doctor_gpu": [],
}


def is_allowed(param, value):
    return jsonschema.Draft202012Validator(param["schema"]).is_valid(value)
