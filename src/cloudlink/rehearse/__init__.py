"""The rehearsal: real daemons on this machine, set up from what both clouds answer, carry real packets."""
