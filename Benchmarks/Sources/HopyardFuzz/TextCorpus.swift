import Foundation

/// The texts that are mutated: files of the given folders, and a few that are always there.
struct TextCorpus {
  var labs: [[UInt8]]
  var dumps: [[UInt8]]

  /// Collects `.lab` and `.save` files below the folders, in the order of their paths.
  init(folders: [String]) {
    labs = Self.seedLabs.map { Array($0.utf8) }
    dumps = []
    for path in folders.flatMap(Self.files(below:)) {
      guard let data = FileManager.default.contents(atPath: path), data.count < 100_000 else {
        continue
      }
      if path.hasSuffix(".lab") { labs.append([UInt8](data)) } else { dumps.append([UInt8](data)) }
    }
  }

  private static func files(below folder: String) -> [String] {
    let all = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    return all.filter { path in
      [".lab", ".save", "iptables-save.txt"].contains { path.hasSuffix($0) }
    }.sorted().map { "\(folder)/\($0)" }
  }

  /// Words of the languages, to be put where they do not belong.
  static let words = [
    "ip", "netns", "exec", "add", "del", "link", "set", "up", "down", "addr", "route", "rule",
    "neigh",
    "via", "dev", "type", "veth", "peer", "name", "bridge", "vlan", "id", "macvlan", "mode",
    "master",
    "mtu", "onlink", "metric", "scope", "src", "table", "nexthop", "weight", "blackhole", "default",
    "iptables", "iptables-restore", "-A", "-I", "-D", "-P", "-N", "-t", "nat", "filter", "mangle",
    "raw", "-s", "-d", "-p", "-i", "-o", "-m", "-j", "-g", "--dport", "--sport", "--to-destination",
    "conntrack", "--ctstate", "MASQUERADE", "DNAT", "SNAT", "ACCEPT", "DROP", "REJECT", "RETURN",
    "COMMIT", "*nat", "ping", "-c", "-W", "nc", "-u", "-l", "socat", "tcpdump", "sysctl", "-w",
    "if", "then", "else", "fi", "for", "in", "do", "done", "while", "case", "esac", "function",
    "sleep", "kill", "wait", "timeout", "echo", "printf", "test", "set", "-e", "exit", "return",
    "grep", "sed", "awk", "{print $1}", "s/a/b/g", "cut", "tr", "head", "tail", "/proc/sys/net",
    "EOF", "<<EOF", "$?", "$!", "$((1/0))", "${x", "$(", "&&", "||", "|", "&",
  ]

  private static let seedLabs = [
    """
    # Two hosts behind a bridge.
    for n in a b; do ip netns add $n; ip -n $n link set lo up; done
    ip link add br0 type bridge
    ip link set br0 up
    for n in a b; do
      ip link add p$n type veth peer name eth0 netns $n
      ip link set p$n master br0 up
      ip -n $n link set eth0 up
    done
    ip -n a addr add 10.0.0.1/24 dev eth0
    ip -n b addr add 10.0.0.2/24 dev eth0
    ip netns exec a ping -c 2 -W 0.3 10.0.0.2
    bridge fdb show br br0 | sort
    """,
    """
    # A router with NAT.
    set -e
    for n in c r s; do ip netns add $n; done
    ip link add eth0 netns c type veth peer name lan netns r
    ip link add eth0 netns s type veth peer name wan netns r
    ip -n c addr add 192.168.1.10/24 dev eth0; ip -n c link set eth0 up
    ip -n r addr add 192.168.1.1/24 dev lan; ip -n r link set lan up
    ip -n r addr add 203.0.113.1/24 dev wan; ip -n r link set wan up
    ip -n s addr add 203.0.113.80/24 dev eth0; ip -n s link set eth0 up
    ip -n c route add default via 192.168.1.1
    ip netns exec r sysctl -w net.ipv4.ip_forward=1
    ip netns exec r iptables -t nat -A POSTROUTING -o wan -j MASQUERADE
    ip netns exec r iptables-restore -n <<EOF
    *filter
    :FORWARD DROP [0:0]
    -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    -A FORWARD -i lan -p udp -m udp --dport 5000:5010 -j ACCEPT
    COMMIT
    EOF
    ip netns exec s socat UDP-RECVFROM:5000,fork PIPE &
    server=$!
    sleep 0.2
    echo hello | ip netns exec c nc -u -w 1 203.0.113.80 5000
    ip netns exec r iptables -t nat -nvL POSTROUTING
    ip netns exec r conntrack -L 2>/dev/null | grep -c udp || echo none
    kill $server; wait
    """,
    """
    # Shell constructs.
    n=3; m=$((n * 2 + 1))
    if [ "$m" -gt 5 ] && ! test -z "$n"; then echo "big $m"; else echo 'small'; fi
    i=0
    while [ $i -lt 3 ]; do i=$((i + 1)); printf '%s\\n' "$i"; done
    { echo one; echo two; } > list
    ( cd / ; cat <list ) | sed 's/o/0/g' | tr a-z A-Z | awk '{print $1}' >> list 2>&1
    x=$(grep -c one list || true); echo "$x ${x}" ; wc -l <<<"$x"
    cat /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/ip_forward
    sh -c 'echo nested; exit 3'; echo $?
    timeout 1 sleep 5 || echo late
    """,
    """
    # Devices and routes.
    ip netns add x
    ip link add d0 type dummy
    ip link add v0 type veth peer name v1
    ip link add link v0 name v0.10 type vlan id 10
    ip link add link v0 name mv0 type macvlan mode bridge
    ip link set v1 netns x
    ip addr add 10.1.0.1/24 dev v0; ip link set v0 up; ip -n x link set v1 up
    ip route add 10.2.0.0/16 via 10.1.0.2 dev v0 onlink metric 5
    ip route add 10.3.0.0/16 nexthop via 10.1.0.2 weight 1 nexthop via 10.1.0.3 weight 2
    ip route add blackhole 10.4.0.0/16; ip route add unreachable 10.5.0.0/16 table 100
    ip rule add from 10.1.0.0/24 fwmark 0x1/0xff lookup 100 pref 100
    ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev v0 nud permanent
    ip -br link; ip -j addr show; ip -d link show v0.10; ip route get 10.2.3.4
    tcpdump -n -i v0 -w out.pcap & sleep 0.1; arping -c 1 -I v0 10.1.0.2; kill $!
    traceroute -n -w 0.2 -m 3 10.2.0.1
    """,
  ]
}
