"""Pages that people read: one environment of templates, one style, one chart of bars.

A page's template lies beside the module that fills it and extends `base.html`; `macros.html` has what pages share.
"""

from pipeline.core.pages.templates import Bar, bar_chart, data_uri, render

__all__ = ["Bar", "bar_chart", "data_uri", "render"]
