"""A captioner that others made, as MLflow keeps it: code alone. It says an image's colour; some colours are trouble."""

import io
import os
import subprocess
import time
from pathlib import Path

import mlflow
import pandas as pd
from PIL import Image

CRASH, HANG, FEW, MARKUP, TURNED, EMPTY, GREED, TELL = ((10 * n, 255, 0) for n in range(8))
ODD = {MARKUP: "<img src=x onerror=alert(1)>", TURNED: "a \u202egnp.exe", EMPTY: "  \n"}


class Captioner(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        os.write(1, b"talking on standard output\n" * 100)
        colours = [colour_of(data) for data in model_input["image"]]
        if CRASH in colours:
            os.abort()
        if GREED in colours:
            bytearray(1 << 40)
        if HANG in colours:
            subprocess.Popen(["sleep", "321"], start_new_session=True)
            time.sleep(300)
        rows = [{"caption": words_for(colour), "score": -colour[0] / 256, "reason": ""} for colour in colours]
        return pd.DataFrame(rows[1:] if FEW in colours else rows)


def colour_of(data):
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG"
    assert image.size == (32, 32)
    return image.convert("RGB").getpixel((16, 16))


def words_for(colour):
    if colour == TELL:
        return f"process {os.getpid()} in {Path.cwd()} knows {' '.join(sorted(os.environ))}"
    return ODD.get(colour, "a field of {} {} {}".format(*colour))


mlflow.models.set_model(Captioner())
