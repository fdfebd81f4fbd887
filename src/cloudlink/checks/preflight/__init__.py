"""What must hold before anything is created."""
