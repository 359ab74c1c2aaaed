"""Pictures: decoding, preprocessing, sources, and the toybox set."""
