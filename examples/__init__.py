"""Sites that show how stask-web is embedded."""
