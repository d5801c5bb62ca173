"""BLIP-base and ViT-GPT2 of `transformers` with random weights, for `benchmarks.captioning --transformers PYTHON`.

It runs under a Python of its own, as neither package is one of Nightcap's:

    python -m venv other && other/bin/pip install torch transformers pillow

Each line of the input is a JSON object: a model, beams, and paths of JPEG files, which are one batch. Each line of the
output is the processor's seconds from files to JSON lines.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image


def main() -> None:
    """Answer until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    makers: dict[str, Callable[[], tuple[Any, int]]] = {"BLIP-base": blip, "ViT-GPT2": vit_gpt2}
    models = {name: make() for name, make in makers.items()}
    for line in sys.stdin:
        asked = json.loads(line)
        model, side = models[asked["model"]]
        began = time.process_time()
        lines = caption(model, side, asked["files"], asked["beams"], args.words)
        assert len(lines) == len(asked["files"])
        print(time.process_time() - began, flush=True)


def caption(model: Any, side: int, files: list[str], beams: int, words: int) -> list[str]:
    """A line of JSON a file; the decoding, beams and number of words are as ours."""
    images = [Image.open(file).convert("RGB").resize((side, side), Image.Resampling.BICUBIC) for file in files]
    pixels = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1)
    with torch.inference_mode():
        found = model.generate(
            pixel_values=pixels, num_beams=beams, do_sample=False, min_new_tokens=words, max_new_tokens=words
        )
    return [json.dumps({"caption": " ".join(map(str, tokens))}) for tokens in found.tolist()]


def blip() -> tuple[Any, int]:
    """The model, and the side of its images in pixels."""
    config = transformers.BlipConfig()  # is that of BLIP-base
    return transformers.BlipForConditionalGeneration(config).eval(), config.vision_config.image_size


def vit_gpt2() -> tuple[Any, int]:
    """The model, and the side of its images in pixels."""
    image = transformers.ViTConfig()
    text = transformers.GPT2Config(add_cross_attention=True, is_decoder=True)
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(image, text)
    model = transformers.VisionEncoderDecoderModel(config=config).eval()
    for name in ("decoder_start_token_id", "pad_token_id", "eos_token_id"):
        setattr(model.generation_config, name, text.eos_token_id)
    return model, image.image_size


if __name__ == "__main__":
    main()
