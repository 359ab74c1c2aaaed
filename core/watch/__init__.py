"""Watch a stream: which pictures of a batch are unknown, how many, and whether the stream has drifted. The mathematics is in docs/watch.md."""
