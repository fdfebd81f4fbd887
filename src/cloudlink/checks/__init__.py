"""What is judged: before anything is created, the link as it is, and its names from a pod. Reads only."""
