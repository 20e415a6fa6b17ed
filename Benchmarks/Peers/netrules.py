#!/usr/bin/env python3
"""Chains of many rules in the real kernel, with the tools of netlab.py beside it.

    netrules.py rules10|rules1000|rules10000|rules100000 [--scale F]

One router whose FORWARD chain has so many rules by destination and port, none of which the packets
meet; prints one JSON object, as netlab.py does.
"""
import argparse, json, sys

import netlab


def rules(count):
    def address(i):
        return f"11.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"

    lines = ["*filter", ":INPUT ACCEPT", ":FORWARD ACCEPT", ":OUTPUT ACCEPT"]
    lines += [f"-A FORWARD -d {address(i)}/32 -p udp -m udp --dport 9000 -j ACCEPT" for i in range(count)]
    return "\n".join(lines + ["COMMIT", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", choices=[f"rules{n}" for n in (10, 1000, 10000, 100000)])
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    netlab.isolate()
    count = int(arguments.workload[5:])
    packets = {10: 3e5, 1000: 1e5, 10000: 2e4, 100000: 2e3}[count]
    test = netlab.udp(lambda lab: netlab.chain(lab, 1), packets, rules(count), lambda lab: ["r1"])
    lab = netlab.Lab()
    try:
        result = test(lab, max(arguments.scale, 0.01))
    finally:
        lab.close()
    print(json.dumps({"workload": arguments.workload, **result}))


if __name__ == "__main__":
    sys.exit(main())
