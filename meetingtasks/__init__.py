"""meetingtasks: the task fleet behind a video-meeting platform."""
