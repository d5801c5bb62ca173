"""The network: encoder, decoder and decoding."""
