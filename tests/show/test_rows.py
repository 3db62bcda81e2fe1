from exporter.show.rows import rows
from tests.show import samples


def test_servers_come_first_the_busiest_of_them_at_the_top_and_the_rest_below() -> None:
    assert [(row.role, row.port) for row in rows(samples.census())] == [
        ("server", "443"),
        ("server", "8080"),
        ("client", "5432"),
        ("client", "other"),
    ]
