"""Whose certificates the providers' servers may show: certifi's roots, the ones that httpx trusts."""

import ssl
from pathlib import Path

import certifi


def public_roots() -> ssl.SSLContext:
    """A context that trusts them.

    The layer's build has put each into a file of its own, which is read when a server's certificate asks for it: to
    parse all of them is a tenth of a cold start. Where that was not done, the bundle is read.
    """
    bundle = Path(certifi.where())
    hashed = bundle.with_name("hashed")
    return ssl.create_default_context(capath=hashed) if hashed.is_dir() else ssl.create_default_context(cafile=bundle)
