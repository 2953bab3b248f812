"""What the rows of Graphite are measured with.

make FOLDER HOSTS METRICS ROWS NOW    RRD files, and whisper files of the same rows
render FOLDER ROUNDS PATH             graphite-web renders it from the whisper files; prints the CPU seconds of each round
"""

import math
import os
import subprocess
import sys
import time
import types

STEP = 10


def make(folder, hosts, metrics, rows, now):
    import whisper

    tool = subprocess.Popen(["rrdtool", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    start = now - STEP * (rows + 30)
    for host in range(hosts):
        name = f"host{host:05}.example.org"
        for metric in range(metrics):
            times = range(start + STEP, now + 1, STEP)
            points = [(at, round(50 + 40 * math.sin(at / 600 + host + metric), 3)) for at in times]
            directory = f"{folder}/rrd/{name}/plugin{metric}"
            os.makedirs(directory, exist_ok=True)
            path = f"{directory}/gauge-x.rrd"
            source, archive = "DS:value:GAUGE:20:U:U", f"RRA:AVERAGE:0.5:1:{rows + 60}"
            tool.stdin.write(f"create {path} --start {start} --step {STEP} {source} {archive}\n")
            tool.stdin.write(f"update {path} " + " ".join(f"{at}:{value}" for at, value in points) + "\n")
            directory = f"{folder}/whisper/{name.replace('.', '_')}/plugin{metric}"
            os.makedirs(directory, exist_ok=True)
            whisper.create(f"{directory}/gauge-x.wsp", [(STEP, rows + 60)])
            whisper.update_many(f"{directory}/gauge-x.wsp", points)
    tool.stdin.close()
    if tool.wait() != 0:
        sys.exit("rrdtool failed")


def render(folder, rounds, path):
    import graphite.settings as original

    settings = types.ModuleType("settings_of_the_benchmark")
    settings.__dict__.update({name: getattr(original, name) for name in dir(original) if name.isupper()})
    settings.__dict__.update(
        SECRET_KEY="of the benchmark",
        ALLOWED_HOSTS=["*"],
        LOG_DIR=folder,
        STORAGE_DIR=folder,
        WHISPER_DIR=f"{folder}/whisper",
        STANDARD_DIRS=[f"{folder}/whisper"],
        INDEX_FILE=f"{folder}/index",
        CLUSTER_SERVERS=[],
        CARBONLINK_HOSTS=[],
        FIND_TIMEOUT=600,
        FETCH_TIMEOUT=600,
        FIND_CACHE_DURATION=0,
        DEFAULT_CACHE_DURATION=0,
        CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}},
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        TIME_ZONE="UTC",
    )
    sys.modules["settings_of_the_benchmark"] = settings
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings_of_the_benchmark"
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client

    call_command("migrate", run_syncdb=True, verbosity=0)
    client = Client()
    # The first round is the one in which Python reads its modules.
    for number in range(rounds + 1):
        before = time.process_time()
        response = client.get(path)
        cpu = time.process_time() - before
        series = response.content.count(b'"target"')
        if response.status_code != 200:
            sys.exit(f"graphite-web answered {response.status_code}")
        if number > 0:
            print(f"CPU {cpu} {series}")


if sys.argv[1] == "make":
    make(sys.argv[2], *map(int, sys.argv[3:7]))
else:
    render(sys.argv[2], int(sys.argv[3]), sys.argv[4])
