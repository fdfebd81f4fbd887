"""Azure's half of the tunnels."""
