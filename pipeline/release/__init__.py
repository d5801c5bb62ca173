"""From an evaluated model to a registered and promoted version; the gate loads no TensorFlow."""
