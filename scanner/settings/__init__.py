"""Settings and policies, which are read once, at the edge, and passed down.

``sections`` has the settings and reads them; ``policies`` combines them with what the models'
manifests recommend.
"""
