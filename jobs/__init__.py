"""What runs: one module a command. `chain` is what settle, workers and the demo share."""
