"""The broker against Celery's stock Redis transport: what each loses, repeats, delays and costs, side by side."""
