"""curl as README.md uses it, to the letter, on the built server."""
import re
import subprocess

from programs_support import CLEAN, ROOT


def tour():
    """The commands of README.md's block that calls curl, each with the output that stands below it."""
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (block,) = [block for block in blocks if "$ curl " in block]
    steps = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, output.strip()) for command, _, output in (step.partition("\n") for step in steps)]


def test_the_tour_with_curl_in_the_readme_shows_what_it_says(daemon):
    daemon.start()
    # The words stay as they are: the folder, and where curl connects to, are those of this server.
    place = daemon.home / "place"
    place.mkdir()
    (place / ".trellis").symlink_to(daemon.home)
    (place / ".curlrc").write_text(
        f'connect-to = "127.0.0.1:7070:{daemon.address}"\nconnect-to = "127.0.0.1:7071:{daemon.admin}"\n')
    steps = tour()
    assert sum("curl" in command for command, _ in steps) >= 2
    script = "".join(f"{command}\necho; echo '---'\n" for command, _ in steps)
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=place, capture_output=True, text=True, timeout=60,
        env={**CLEAN, "CURL_HOME": str(place), "HOME": str(place)})
    assert done.returncode == 0, done.stderr
    shown = [part.strip() for part in done.stdout.split("---")[:-1]]
    assert shown == [output for _, output in steps]
    assert daemon.stop()[0] == 0, daemon.log()
