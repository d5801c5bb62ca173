"""What `docker compose run` starts of the file, beside the services that go on."""

from __future__ import annotations

from collections.abc import Iterable

from tests.integration.composed import Composed

ENDED = "service_completed_successfully"


class WithTools(Composed):
    """The services of the file, and those that end."""

    @property
    def names(self) -> Iterable[str]:
        """What the file calls its services."""
        return self._whole["services"]

    def run(self, name: str, *command: str) -> str:
        """What a service says that ends, started after those that it depends on, with another command if one is given."""
        for other, wish in self._depends_on(name).items():
            (self.run if wish["condition"] == ENDED else self.up)(other)
        log = self.folder / "logs" / f"{name}-1.log"
        log.unlink(missing_ok=True)
        return self.run_alone(name, *command)

    def run_alone(self, name: str, *command: str) -> str:
        """The same, whatever it depends on."""
        self._start(name, 1, command)
        self._wait_for(name, ENDED)
        return (self.folder / "logs" / f"{name}-1.log").read_text()
