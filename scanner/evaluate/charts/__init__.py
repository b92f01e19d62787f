"""Charts as SVG: pure functions from values to text, without scripts, fonts or external files.

    axis (positions, ticks) + svg (escaped elements) -> frame (plot, axes, legend)
    -> lines, bars, reliability

Each chart has a title and a description for screen readers. Its colours can be distinguished by
colour-blind readers, and lines differ in their dashes as well. Colours are set in attributes, so
that a chart can be shown alone; a page's style sheet may override them by ``.series-1`` and so on.
"""
