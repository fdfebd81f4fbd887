"""Reading a link: its health, its drift from the configuration, and whether names work from a pod."""
