"""Resources, plans and the engine that carries them out. Standard library only; knows no cloud."""
