from tests.database import database_url, empty_database_url, postgres_url, shared_folder, template_url

__all__ = ["database_url", "empty_database_url", "postgres_url", "shared_folder", "template_url"]
