#!/usr/bin/env python
"""Django's command line: `python manage.py up` starts the whole system."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # A wrong setting is for its owner to mend; where in the code it was noticed does not help.
        sys.exit(f"chainlets: {error}")
