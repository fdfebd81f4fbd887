"""Where the packets of the sandbox's pods go: names are asked and connections opened for real, on loopback."""
