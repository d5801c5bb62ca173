"""Which version captions: MLflow, the journal of promotions, the cache, loading."""
