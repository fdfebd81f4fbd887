"""Supply: what cloudlink is built on, held to exact versions and hashes, and why each part is there."""
