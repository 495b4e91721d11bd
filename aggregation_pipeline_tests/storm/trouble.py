"""A storm: strikes at a deployment, chosen by chance from a seed.

The seed is printed, so that a storm can be repeated, as far as machines behave the same.
"""

import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from aggregation_pipeline_tests.storm.scene import Scene
from aggregation_pipeline_tests.storm.strikes import KINDS, PATIENCE_SECONDS, Blow, Strikes

# How long the storm waits, at most, until a run is executed again.
LULL_SECONDS: Final = 40


def blows(seed: int, *, oss: bool) -> Iterator[Blow]:
    """Yield the blows of this seed, without end. Every kind comes once before any comes again."""
    chance = random.Random(seed)
    kinds = [what for what, (part, _) in KINDS.items() if oss or part != "oss"]
    while True:
        for what in chance.sample(kinds, len(kinds)):
            yield Blow(round(chance.uniform(2, 9), 1), what, round(chance.uniform(3, 18), 1), chance.randrange(1000))


@dataclass
class Trouble:
    """A storm over `scene`.

    Attributes:
        struck: how often each kind has hit.
        missed: how often it found nothing to hit, or a part that was down already.
    """

    scene: Scene
    seed: int
    struck: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)
    _parts: dict[str, threading.Lock] = field(
        default_factory=lambda: {part: threading.Lock() for part, _ in KINDS.values()}
    )
    _threads: list[threading.Thread] = field(default_factory=list)
    _errors: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._strikes = Strikes(self.scene, self._over)

    @property
    def killed(self) -> int:
        """How many processes were killed."""
        return self._strikes.killed

    def rage(self, seconds: float) -> None:
        """Strike for so long, and return when everything is healed: servers answer, services run, the disk has room."""
        end = time.monotonic() + seconds
        for blow in blows(self.seed, oss=self.scene.oss is not None):
            time.sleep(blow.pause)
            self._wait_for_work()
            if time.monotonic() > end or self._errors:
                break
            print(f"{end - time.monotonic():6.1f} s left: {blow.what} ({blow.seconds} s, {blow.pick})", flush=True)
            thread = threading.Thread(target=self._strike, args=(blow,), name=blow.what, daemon=True)
            thread.start()
            self._threads.append(thread)
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS + 60)
            assert not thread.is_alive(), f"{thread.name} was never healed"
        if self._errors:
            raise self._errors[0]

    def _wait_for_work(self) -> None:
        """Wait until a run is executed: without one a strike hurts nothing, because the services are still starting."""
        end = time.monotonic() + LULL_SECONDS
        while not self.scene.workers() and time.monotonic() < end:
            time.sleep(0.2)

    def _strike(self, blow: Blow) -> None:
        part, strike = KINDS[blow.what]
        if part and not self._parts[part].acquire(timeout=20):
            self.missed[blow.what] += 1
            return
        try:
            hit = strike(self._strikes, blow)
        except BaseException as error:  # noqa: BLE001 - rage() raises it in the test's thread
            traceback.print_exception(error)
            self._errors.append(error)
        else:
            (self.struck if hit else self.missed)[blow.what] += 1
        finally:
            if part:
                self._parts[part].release()
