"""What a captioning model is, and how one comes to be."""
