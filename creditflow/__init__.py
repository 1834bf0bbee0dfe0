"""creditflow: a city's public-credit pipeline and warehouse.

Promises: this package never imports Airflow; importing it costs nothing; every room below has one door.
"""

__version__ = "0.1.0"
