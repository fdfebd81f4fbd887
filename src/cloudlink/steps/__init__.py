"""The five areas that a user sees: aws_vpn, azure_vpn, resolver, dns_forward, verify. They know each other only by outputs."""
