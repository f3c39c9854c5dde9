"""Parts of a long job: computed by workers, noted in a journal, with a progress bar; errors are named at the end."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from scorematching.cli.console import failed, print_error, progress_bar
from scorematching.cli.process import keep_freed_memory
from scorematching.runtime.journal import Journal
from scorematching.runtime.progress import Progress
from scorematching.runtime.workers import Workers


@dataclass
class Parts:
    """Run of the parts of a job.

    Attributes:
        workers: Where parts are computed.
        journal: Journal of what is done.
        failures: Errors of parts, each with the name of the part.
        noted: Warnings of parts that were printed, each once.
    """

    workers: Workers
    journal: Journal
    failures: list[str] = field(default_factory=list)
    noted: set[str] = field(default_factory=set)

    def run(
        self, function: Callable[[Any, Any], Any], shared: Any, parts: dict[str, Any], title: str | None
    ) -> dict[str, Any]:
        """Call a function for each part that is not done, and return the results of all, those before included.

        Args:
            function: Called with ``shared`` and a part. Its result is kept in the journal, as JSON.
            shared: What all parts need.
            parts: Parts by name.
            title: Title of the progress bar; ``None`` for none.
        """
        left = {name: part for name, part in parts.items() if name not in self.journal.done}
        names = list(left)
        with progress_bar(title) if title else nullcontext(lambda _: None) as bar:
            count = len(parts) - len(left)

            def finished(number: int, found: Any) -> None:
                nonlocal count
                count += 1
                bar(Progress(count, len(parts)))
                self._note(names[number], found)

            try:
                if left:
                    self.workers.run(_with_warnings, (function, shared), list(left.values()), finished)
            except (KeyboardInterrupt, SystemExit):
                print_error("what was done is kept: the same command with --resume does only the rest")
                raise
        return {name: self.journal.done[name] for name in parts if name in self.journal.done}

    def _note(self, name: str, found: Any) -> None:
        if isinstance(found, BaseException):
            self.failures.append(failed(name, found))
            return
        result, messages = found
        for message in messages:
            if message not in self.noted:
                print_error(f"note: {message if name in message else f'{name}: {message}'}")
        self.noted.update(messages)
        self.journal.add(name, result)


def _with_warnings(shared: tuple[Callable[[Any, Any], Any], Any], part: Any) -> tuple[Any, list[str]]:
    """Return the result of a function, and the warnings that it gave."""
    function, own = shared
    keep_freed_memory()  # of the process of a worker
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result = function(own, part)
    return result, [str(one.message) for one in caught if issubclass(one.category, UserWarning)]
