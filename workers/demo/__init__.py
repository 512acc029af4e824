"""The demonstration: a recording in, minutes out, on one machine and in one command."""
