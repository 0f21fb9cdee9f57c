"""Starts one side as Lambda does, up to a stage, and nothing else. Runs under valgrind, inside the side's environment.

    init_side.py ours|reference import|clients

`import`: the handler's module, which is what Lambda does before the first event. `clients`: until every client exists
that the handler can ever use; ours makes them at the first event that needs them.
"""

import sys
from importlib import import_module


def main(side: str, stage: str) -> None:
    import_module("app")
    if stage == "import":
        return
    if side == "reference":
        # the rest is ready: this one Powertools makes at the first secret that it reads
        import_module("aws_lambda_powertools.utilities.parameters.secrets").SecretsProvider()
        return
    application = import_module("cardintake.bootstrap").application()
    for name in ("s3", "dynamodb", "secretsmanager", "sqs", "events"):
        getattr(application.clients, name)


if __name__ == "__main__":
    main(*sys.argv[1:])
