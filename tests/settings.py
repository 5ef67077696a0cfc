"""The project's settings for tests in this process: a data folder that is thrown away, a real SQLite file."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_folder = tempfile.mkdtemp(prefix="chainlets-tests-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["DATA_DIR"] = _folder
for _name in ("DATABASE_URL", "REDIS_URL", "ADMIN_PASSWORD", "ADMIN_API_KEY", "CHAINS_DIR", "PORT"):
    os.environ.pop(_name, None)  # what a developer has set is for the real system

from webapp.settings import *  # noqa: E402, F403
from webapp.settings import DATABASES  # noqa: E402

# Threads and processes see what a test commits only in a file.
DATABASES["default"]["TEST"] = {"NAME": str(Path(_folder) / "test.sqlite3")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a login in a test need not be slow
