"""From a judged model to a registered version; the gate's part of it loads no TensorFlow."""
