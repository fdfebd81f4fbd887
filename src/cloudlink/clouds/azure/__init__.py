"""Azure: sign-in, shared reads and writes, and what its errors mean."""
