"""Ctrl-C that stops between two batches instead of in the middle of one."""
import signal
import threading


class Stopped(KeyboardInterrupt):
    """The training was stopped by Ctrl-C after a whole batch, and its state is saved."""


class Interrupt:
    """Inside `with Interrupt() as interrupt:` the first Ctrl-C sets interrupt.requested; the second one interrupts at once, as usual.

    It does nothing outside the main thread, where Python delivers no signals, and where Ctrl-C is ignored anyway (a job under nohup).
    """

    def __init__(self, note=print):
        self.requested, self.note, self.before = False, note, None

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            self.before = signal.signal(signal.SIGINT, self._handle)
        return self

    def _handle(self, number, frame):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.requested = True
        self.note("stopping after this batch (Ctrl-C again: at once)")

    def __exit__(self, *exception):
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)
