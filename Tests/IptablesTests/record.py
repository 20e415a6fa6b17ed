#!/usr/bin/env python3
"""Write down what the real iptables 1.8.9 says to the commands of the session files.

usage: record.py FILE...        (as root, on Linux)

A session file holds lines `$ COMMAND`, each followed by what the command printed and `[exit N]` if
N is not 0. `<<< TEXT` gives standard input, with \\n for a line end. `RESET` starts afresh in a new
network namespace. The outputs are replaced; the commands stay.
"""
import re, shlex, subprocess, sys


def record(commands):
    script = "exec 2>&1\n"
    for command in commands:
        words, _, text = command.partition(" <<< ")
        if text:
            text = text.encode().decode("unicode_escape")
            script += "printf %s {} | ".format(shlex.quote(text))
        script += words + "\necho \"@@@ $?\"\n"
    run = subprocess.run(["unshare", "-n", "bash", "-c", script], capture_output=True)
    parts = re.split(r"@@@ (\d+)\n", run.stdout.decode("utf-8", "replace"))
    for index, command in enumerate(commands):
        output = re.sub(r"^# (Generated|Completed).*\n", "", parts[2 * index], flags=re.M)
        if output and not output.endswith("\n"):
            output += "\n"
        status = int(parts[2 * index + 1])
        yield "$ " + command + "\n" + output + ("[exit %d]\n" % status if status else "")


for path in sys.argv[1:]:
    groups = [[]]
    for line in open(path).read().split("\n"):
        if line == "RESET":
            groups.append([])
        elif line.startswith("$ "):
            groups[-1].append(line[2:])
    texts = ["".join(record(group)) for group in groups]
    with open(path, "w") as file:
        file.write("RESET\n".join(texts))
