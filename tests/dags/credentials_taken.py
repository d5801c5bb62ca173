"""Print as JSON what the environment holds after credentials are taken; a process of its own, as backends are global."""

import json
import os
import sys

from dags import credentials

if __name__ == "__main__":
    for name in sys.argv[1:]:
        getattr(credentials, name)()
    told = ("AWS_", "MLFLOW_TRACKING_", "NIGHTCAP_WEBHOOK")
    sys.stdout.write(json.dumps({name: value for name, value in os.environ.items() if name.startswith(told)}))
