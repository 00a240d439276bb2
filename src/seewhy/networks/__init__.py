"""The only rooms that know a framework: one adapter each, all with the verbs of `Network`."""
