"""The scanner on several processes and machines, with Ray: this package moves data and calls the
core, and makes no judgement of its own.

    from workers import on_ray

    with on_ray(program, workers=4) as runner: ...

A program needs only this ``Runner``, which is imported at its first use. To read the code, begin
with ``dispatch`` (which turns wait, which worker has them, what is committed), then ``pool``
(threads around it), then ``actors`` (Ray). Only ``actors`` and ``cluster`` import ray.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.runner import on_ray
else:

    def __getattr__(name: str) -> object:
        if name != "on_ray":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from workers.runner import on_ray

        return on_ray


__all__ = ["on_ray"]
