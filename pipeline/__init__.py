"""What a captioning model is, and how one comes to be."""

from pipeline.core.processor import prefer_onednn

prefer_onednn()  # here, for this is imported before TensorFlow in every process of ours
