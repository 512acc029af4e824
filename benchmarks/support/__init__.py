"""The parts of the broker's benchmark: one module per group of rows, and what they all stand on."""
