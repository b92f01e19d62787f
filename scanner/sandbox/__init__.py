"""Disposable, unprivileged child processes with limits: the only place where media is opened.

``sandbox.Sandbox`` is the public entry. Below it, from the parent's side to the child's:
``process`` starts, calls and kills one child; ``channel`` carries messages and descriptors;
``protocol`` defines the messages and validates what a child sends; ``buffers`` lays out images in
shared memory; ``child`` serves tasks after ``restrictions`` has given up the process's rights.
"""
