"""Asks graphite-web, in this process, for the paths that come as arguments behind its only cluster server."""

import json
import os
import sys
import tempfile
import types

server, paths = sys.argv[1], sys.argv[2:]
directory = tempfile.mkdtemp(dir=os.environ["TEST_DIRECTORY"])

import graphite.settings as original

settings = types.ModuleType("settings_of_the_test")
settings.__dict__.update({name: getattr(original, name) for name in dir(original) if name.isupper()})
settings.__dict__.update(
    SECRET_KEY="of the test",
    ALLOWED_HOSTS=["*"],
    LOG_DIR=directory,
    STORAGE_DIR=directory,
    WHISPER_DIR=directory,
    STANDARD_DIRS=[directory],
    CONF_DIR=directory,
    INDEX_FILE=os.path.join(directory, "index"),
    CLUSTER_SERVERS=[server],
    CARBONLINK_HOSTS=[],
    FIND_CACHE_DURATION=0,
    DEFAULT_CACHE_DURATION=0,
    CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    TIME_ZONE="UTC",
)
sys.modules["settings_of_the_test"] = settings
os.environ["DJANGO_SETTINGS_MODULE"] = "settings_of_the_test"

import django

django.setup()

from django.core.management import call_command
from django.test import Client

call_command("migrate", run_syncdb=True, verbosity=0)
client = Client()
for path in paths:
    response = client.get(path)
    answer = {"status": response.status_code, "type": response.get("Content-Type"), "length": len(response.content)}
    if answer["type"].startswith("application/json"):
        answer["json"] = json.loads(response.content)
    else:
        answer["begin"] = response.content[:8].hex()
    print(json.dumps(answer))
