"""Names on AWS's side: the inbound endpoint and the private zone."""
