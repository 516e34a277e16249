"""Background tasks with a panel for people, inside a Flask site."""
