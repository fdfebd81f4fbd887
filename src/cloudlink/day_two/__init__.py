"""After the first day of a link: its keys changed, its path tested, its logs switched on and read."""
