"""Recording in, minutes out: a run is a record, its stages are tasks, and any crash leaves a run that goes on."""
