"""Wiring by hand: from the environment to the objects that work together. The only place that knows them all.

Importing it makes nothing that has to be unique, fresh or connected: a snapshot of the process may be started often.
What only some functions do is imported by those that do it.
"""

import gc
import os
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING

# What is imported stays: looking through it for garbage again and again is wasted work at every cold start.
gc.disable()

from cardintake.announcements import Announcements
from cardintake.aws import Clients
from cardintake.balances import Balances
from cardintake.cases import Cases
from cardintake.intake import Intake
from cardintake.journal import Journal
from cardintake.provider_states import ProviderStates
from cardintake.providers import REGISTRY
from cardintake.providers.client import ProviderClient
from cardintake.recognition import Recognition
from cardintake.records import Records
from cardintake.secret_store import LookupKey, SecretStore
from cardintake.settings import Settings
from cardintake.spending import Spending
from cardintake.uploads import Uploads
from cardintake.worklist import Worklist

gc.enable()

if TYPE_CHECKING:
    from cardintake.backfilling import Backfill
    from cardintake.replaying import Replay
    from cardintake.sweeping import Sweep


class Application:
    """Everything that the functions share; nothing is connected before it is used."""

    def __init__(self, settings: Settings, clients: Clients, client: ProviderClient) -> None:
        self.settings = settings
        self.clients = clients
        self.announcements = Announcements(lambda: clients.events, settings.event_bus)
        self.records = Records(clients.dynamodb, settings)
        self.journal = Journal(clients.dynamodb, clients.s3, self.records, settings)
        self.states = ProviderStates(clients.dynamodb, settings, self.announcements)
        self.secrets = SecretStore(clients.secretsmanager, settings.providers_secret)
        self.spending = Spending(clients.dynamodb, settings)
        allow_http = settings.aws_endpoint_url is not None
        recognition = Recognition(
            client,
            self.journal,
            self.states,
            self.secrets,
            self.spending,
            max_attempts=settings.max_attempts,
            allow_http=allow_http,
        )
        lookup_key = LookupKey(clients.secretsmanager, settings.lookup_secret) if settings.lookup_secret else None
        self.uploads = Uploads(clients.s3)
        self.intake = Intake(
            settings,
            REGISTRY,
            self.uploads,
            self.records,
            self.journal,
            recognition,
            Cases(clients.dynamodb, settings, lookup_key),
            self.announcements,
        )
        self.worklist = Worklist(self.intake, lambda: clients.sqs, settings.queue_url)
        self.balances = Balances(client, self.states, self.secrets, settings, REGISTRY, allow_http=allow_http)

    @cached_property
    def sweep(self) -> "Sweep":
        from cardintake.orphans import Orphans
        from cardintake.sweeping import Sweep

        return Sweep(
            self.clients.dynamodb,
            lambda: self.clients.sqs,
            self.settings,
            self.intake,
            self.records,
            self.states,
            self.announcements,
            Orphans(self.clients.dynamodb, self.clients.s3, self.settings),
        )

    @cached_property
    def backfill(self) -> "Backfill":
        from cardintake.backfilling import Backfill

        return Backfill(self.clients.s3, self.clients.dynamodb, self.settings)

    @cached_property
    def replay(self) -> "Replay":
        from cardintake.replaying import Replay

        return Replay(
            self.clients.dynamodb,
            self.settings,
            REGISTRY,
            self.uploads,
            self.journal,
            self.records,
            self.announcements,
        )


@cache
def application() -> Application:
    """The function's application, made at the first invocation. Raises SettingsError."""
    gc.disable()
    try:
        return wire(os.environ, Clients(), ProviderClient)
    finally:
        gc.freeze()  # nor is it looked through while scans are read
        gc.enable()


def wire(environment: Mapping[str, str], clients: Clients, make_client: Callable[[], ProviderClient]) -> Application:
    """An application for this environment. Raises SettingsError."""
    return Application(Settings.from_environment(environment, REGISTRY), clients, make_client())
