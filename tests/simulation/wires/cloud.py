"""The way to a cloud: refusals of every kind, lost answers, and requests that come through when nobody waits."""

from collections.abc import Callable
from typing import Any, TypeVar

from nodepool_lite.clouds.simulated import SimulatedDriver
from nodepool_lite.model.errors import BadRequestError, CapacityError, CloudError, TryAgainLaterError
from tests.simulation.weather import CALL_TIMEOUT, LATEST
from tests.simulation.wires.caller import Caller

T = TypeVar("T")


class CloudWire:
    """The way to a cloud: one driver of one process."""

    def __init__(self, caller: Caller, driver: SimulatedDriver, formats: tuple[str, ...]) -> None:
        self._caller = caller
        self._driver = driver
        self.image_formats = formats
        self.poll_interval = driver.poll_interval
        self.injects_host_key = driver.injects_host_key
        self.need = driver.need
        self.close = driver.close
        self.note_gone = driver.note_gone
        self.problems = driver.problems

    def create_server(self, spec: Any) -> Any:
        """Change something."""
        refusals = (CapacityError("403: quota exceeded"), BadRequestError("400: the flavor is too small"))
        return self._ask("create_server", lambda: self._driver.create_server(spec), *refusals, changes=True)

    def delete_server(self, server_id: str) -> Any:
        """Change something."""
        return self._ask("delete_server", lambda: self._driver.delete_server(server_id), changes=True)

    def give_address(self, server_id: str) -> Any:
        """Change something."""
        full = CapacityError("409: no floating IP is left")
        return self._ask("give_address", lambda: self._driver.give_address(server_id), full, changes=True)

    def upload_image(self, spec: Any, progress: Callable[[int], None]) -> Any:
        """Change something, which takes a while."""

        def slowly(percent: int) -> None:
            for share in (20, 60, 100):
                self._caller.point(self._caller.draw() * 10 * self._caller.universe.pace)
                progress(min(percent, share))

        bad = BadRequestError("400: the file is no image")
        return self._ask("upload_image", lambda: self._driver.upload_image(spec, slowly), bad)

    def delete_image(self, image_id: str) -> Any:
        """Change something."""
        return self._ask("delete_image", lambda: self._driver.delete_image(image_id), changes=True)

    def list_servers(self) -> Any:
        """Look."""
        return self._ask("list_servers", self._driver.list_servers, BadRequestError("401: the password has changed"))

    def list_images(self) -> Any:
        """Look."""
        return self._ask("list_images", self._driver.list_images)

    def quota(self) -> Any:
        """Look."""
        return self._ask("quota", self._driver.quota)

    def console_log(self, server_id: str) -> Any:
        """Look."""
        return self._ask("console_log", lambda: self._driver.console_log(server_id))

    def sweep_leftovers(self) -> Any:
        """Change something that is of no account here."""
        return self._ask("sweep_leftovers", self._driver.sweep_leftovers)

    def _ask(self, name: str, call: Callable[[], T], *refusals: Exception, changes: bool = False) -> T:
        caller, weather = self._caller, self._caller.weather
        there, back = weather.cloud_delay(), weather.cloud_delay()
        caller.point(there)
        if self._driver.cloud.away:
            caller.point(min(back, CALL_TIMEOUT))
            raise TryAgainLaterError(f"{name}: the cloud cannot be reached")
        if changes and weather.strikes(weather.stuck_requests):
            self._get_stuck(name, call)
        trouble = weather.strikes(weather.cloud_trouble)
        if trouble and caller.draw() < 2 / 3:
            self._refuse(name, refusals)
        result = call()
        if trouble or there + back > CALL_TIMEOUT:
            caller.tell("* the answer does not come", call=name)
            caller.point(max(0.0, CALL_TIMEOUT - there))
            raise TryAgainLaterError(f"{name}: no answer within {CALL_TIMEOUT:.0f} s")
        caller.point(back)
        return result

    def _refuse(self, name: str, refusals: tuple[Exception, ...]) -> None:
        """Raise what a cloud may say, with no effect."""
        choices = (
            TryAgainLaterError(f"{name}: 500 internal server error"),
            TryAgainLaterError(f"{name}: 429 too many requests", retry_after=4.0),
            *refusals,
        )
        error = choices[int(self._caller.draw() * len(choices))]
        self._caller.tell("* a cloud refuses", call=name, error=error)
        raise error

    def _get_stuck(self, name: str, call: Callable[[], object]) -> None:
        """Let the request have no effect as long as anybody waits for it; and never, or later."""
        late = self._caller.draw() < 2 / 3
        self._caller.tell("* a request gets stuck", call=name, late=late)
        if late:
            self._caller.later(CALL_TIMEOUT + self._caller.draw() * LATEST, lambda: self._late(name, call))
        self._caller.point(CALL_TIMEOUT)
        raise TryAgainLaterError(f"{name}: no answer within {CALL_TIMEOUT:.0f} s")

    def _late(self, name: str, call: Callable[[], object]) -> None:
        self._caller.tell("* a stuck request comes through", call=name)
        try:
            call()
        except CloudError as error:
            self._caller.tell("* it is refused", call=name, error=error)
