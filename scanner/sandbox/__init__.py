"""Disposable processes, their limits and their clock: where all hostile bytes are opened.

``Sandbox`` is what others use. Beneath it, from the parent's side to the child's: ``process``
starts, asks and ends a child; ``channel`` carries messages; ``border`` says and checks them;
``child`` serves them behind ``walls``.
"""
