"""AWS's half of the tunnels."""
