"""The provider sandbox: the providers' wire protocols over HTTP, with a reader that really reads the picture."""
