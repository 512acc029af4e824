"""Media: looking at files, sound out of them, cutting, joining, pictures and other formats. No task system in sight."""
