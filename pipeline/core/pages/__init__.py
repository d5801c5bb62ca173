"""Pages that people read: a template lies beside the module that fills it and extends `base.html`."""

from pipeline.core.pages.templates import Bar, bar_chart, data_uri, render

__all__ = ["Bar", "bar_chart", "data_uri", "render"]
