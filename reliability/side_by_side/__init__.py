"""Single changes on a linked sandbox, each judged three ways: by the sandbox's world, by ``cloudlink status`` and
``verify-dns``, and by real daemons in a rehearsal."""
