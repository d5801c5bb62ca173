"""Rights given up for good; what that means for code inside is tested in tests/security."""

import json
import subprocess
import sys
from pathlib import Path

from pipeline.core.confinement import FILE_ACCESS, NETWORK_ACCESS, own_folders
from pipeline.core.subprocesses import module_environment

CONFINED = """
import json, threading
from pipeline.core.confinement import confine
held = confine()
started = []
thread = threading.Thread(target=started.append, args=(1,))
thread.start(), thread.join()
import colorsys, PIL.IcnsImagePlugin
try: open("/etc/passwd"), print("open")
except OSError: pass
print(json.dumps([held, started]))
"""


def test_threads_and_imports_go_on():
    done = subprocess.run(
        [sys.executable, "-c", CONFINED], env=module_environment(), capture_output=True, text=True, check=True
    )
    held, started = json.loads(done.stdout.splitlines()[-1])
    assert set(held) <= {FILE_ACCESS, NETWORK_ACCESS}
    assert started == [1]
    assert FILE_ACCESS not in held or "open" not in done.stdout


def test_no_folder_of_ours_may_be_read_but_the_code():
    checkout = Path(__file__).parents[3]
    folders = own_folders()
    assert checkout / "pipeline" in folders
    assert not [folder for folder in folders if checkout.is_relative_to(folder) or folder == Path.home()]
