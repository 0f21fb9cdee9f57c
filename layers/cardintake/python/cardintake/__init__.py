"""cardintake: scans of identity cards become validated records. The story is told in `intake`; start reading there."""
