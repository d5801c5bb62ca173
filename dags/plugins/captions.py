"""Links from Airflow's pages to those of `nightcap app`, where NIGHTCAP_APP_URL tells its address."""

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from pipeline.core.environment import Home


def _views(home: Home) -> list[dict[str, Any]]:
    if not home.app_url:
        return []
    nights = {"name": "Captions", "href": home.app_url, "destination": "nav", "nav_top_level": True}
    images = {
        "name": "Images of this night",
        "href": f"{home.app_url.rstrip('/')}/night?run={{RUN_ID}}",  # Airflow's placeholder
        "destination": "dag_run",
        "url_route": "images-of-this-night",
    }
    return [nights, images]


class Captions(AirflowPlugin):
    """Captions in the navigation, and the images of a night as a tab of its run."""

    name = "nightcap_captions"
    external_views = _views(Home.from_environment())
