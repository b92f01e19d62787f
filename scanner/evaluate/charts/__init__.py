"""Charts as SVG: pure functions from nouns to text, without a script, a font or a file of their
own.

    axis (where a value lies, ticks) + svg (escaped elements) -> frame (plot, axes, legend) -> lines, bars, reliability

Each chart has a title and a description that say the same to who cannot see it. Colours are told
apart by colour-blind people, lines by their dashes too. Colours stand in attributes, so that a
chart alone is readable; a page's style may say others for ``.series-1`` and so on.
"""
