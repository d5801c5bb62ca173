"""Links from Airflow's pages to those of `nightcap app`, where NIGHTCAP_APP_URL tells its address."""

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from pipeline.core.environment import Home
from pipeline.core.variables import variables_of


def _views(app: str) -> list[dict[str, Any]]:
    if not app:
        return []
    nights = {"name": "Captions", "href": app, "destination": "nav", "nav_top_level": True}
    images = {
        "name": "Images of this night",
        "href": f"{app}/night?run={{RUN_ID}}",  # Airflow's placeholder
        "destination": "dag_run",
        "url_route": "images-of-this-night",
    }
    return [nights, images]


class Captions(AirflowPlugin):
    """Captions in the navigation, and the images of a night as a tab of its run."""

    name = "nightcap_captions"
    external_views = _views(dict(variables_of(Home))["app_url"].read())  # a mistake in another variable breaks no page
