"""What the product costs, as ratios: both sides measured in one run, in turn. `python -m benchmarks.run`."""
