"""What tests of several rooms share: one builder of links, the clocks, sandboxes, and the command line."""
