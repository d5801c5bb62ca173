"""What a model is: network, words, bundle, captioner, confidence."""
