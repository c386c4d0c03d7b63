"""The parts of `diagnose_step`: play a step, watch it, explain what it did, say what is wrong."""
