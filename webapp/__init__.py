"""The Django project: definitions, runs, files, people and the pages that show them."""
