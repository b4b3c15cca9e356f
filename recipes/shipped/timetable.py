"""How a training of so many seconds passes, on a machine whose speed is not known before."""

import math
import time

from vocaltrack.compiling import WARMUP_STEPS

FIRST_GUESS = 20  # epochs, before one has been timed


class Timetable:
    """How far a training is, which is to take some seconds and to end with an epoch.

    Attributes:
        passed: share of the training that is behind, 0 to 1.
        begun: when the epoch began, by the clock; the first one, when its first step, which
            is compiled, was done.

    Args:
        seconds: that are left.
        steps: of an epoch.
        clock: a function that returns seconds.
    """

    def __init__(self, seconds, steps, clock=time.perf_counter):
        self.clock, self.steps, self.passed = clock, steps, 0.0
        self.begun, self.end = None, clock() + seconds
        self.step_share = 1.0 / (steps * FIRST_GUESS)

    def step(self):
        """One more step is done."""
        if self.begun is None:
            self.begun = self.clock()
        self.passed += self.step_share

    def epoch(self):
        """One more epoch is done: plan the others as though each took as long.

        Returns:
            whether there is time for another.
        """
        now = self.clock()
        left = round((self.end - now) / (now - self.begun))
        self.begun = now
        self.step_share = (1.0 - self.passed) / (self.steps * max(1, left))
        return left >= 1

    def rate(self, highest, number):
        """The learning rate of a step, by its number from 0: half a cosine, warmed up."""
        warm = min(1.0, (number + 1) / WARMUP_STEPS)
        return highest * warm * 0.5 * (1.0 + math.cos(math.pi * self.passed))
