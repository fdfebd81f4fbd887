"""AWS: clients and shared reads, what its errors mean, and our tags."""
