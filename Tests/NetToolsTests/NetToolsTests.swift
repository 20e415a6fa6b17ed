import Testing

@Suite struct PingTests {
  @Test func printsEachReplyAndTheSums() {
    let text = output(of: pair + "ip netns exec a ping -c 2 -W 1 10.0.0.2")
    #expect(
      text.hasPrefix(
        "PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time="
      )
    )
    #expect(
      text.contains(
        "\n--- 10.0.0.2 ping statistics ---\n2 packets transmitted, 2 received, 0% packet loss, time 1000ms\nrtt min/avg/max/mdev = "
      )
    )
  }

  @Test func tellsOfAnUnreachableNeighbour() {
    let text = output(
      of: pair + "ip -n a link set lo up\nip netns exec a ping -c 1 -W 5 10.0.0.9; echo $?"
    )
    #expect(text.contains("From 10.0.0.1 icmp_seq=1 Destination Host Unreachable\n"))
    #expect(
      text.contains("1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms\n")
    )
    #expect(text.hasSuffix("\n1\n"))
  }

  @Test(arguments: [
    (
      "ping -c 0 127.0.0.1",
      "ping: invalid argument: '0': out of range: 1 <= value <= 9223372036854775807\n1\n"
    ),
    ("ping -W x 127.0.0.1", "ping: bad linger time: x\n2\n"),
    ("ping -M no 127.0.0.1", "ping: invalid -M argument: no\n2\n"),
    ("ping -c 1 192.0.2.1", "ping: connect: Network is unreachable\n2\n"),
    ("ping", "ping: usage error: Destination address required\n1\n"),
  ])
  func complainsLikeIputils(_ command: String, _ expected: String) {
    #expect(output(of: command + "; echo $?") == expected)
  }

  @Test func refusesWhatIsNotModelled() {
    #expect(problems(in: "ping -F 1 10.0.0.1") == ["test.lab:1:6: the option -F is not modelled"])
  }
}

@Suite struct SysctlTests {
  @Test(arguments: [
    ("sysctl net.ipv4.ip_forward", "net.ipv4.ip_forward = 0\n0\n"),
    ("sysctl -w net.ipv4.ip_forward=1", "net.ipv4.ip_forward = 1\n0\n"),
    ("sysctl -q -w net.ipv4.ip_forward=1", "0\n"),
    ("sysctl -n net.ipv4.ip_default_ttl", "64\n0\n"),
    (
      "sysctl net.ipv4.nosuch",
      "sysctl: cannot stat /proc/sys/net/ipv4/nosuch: No such file or directory\n1\n"
    ),
    (
      "sysctl -w net.ipv4.ip_forward=maybe",
      "sysctl: setting key \"net.ipv4.ip_forward\": Invalid argument\n1\n"
    ),
    ("sysctl net.ipv4.ip_local_port_range", "net.ipv4.ip_local_port_range = 32768\t60999\n0\n"),
    (
      "sysctl -w net.ipv4.neigh.lo.retrans_time_ms=305; sysctl net.ipv4.neigh.lo.retrans_time_ms",
      "net.ipv4.neigh.lo.retrans_time_ms = 305\nnet.ipv4.neigh.lo.retrans_time_ms = 308\n0\n"
    ),
  ])
  func printsAndSets(_ command: String, _ expected: String) {
    #expect(output(of: command + "; echo $?") == expected)
  }

  @Test func forwardingReachesAllDevices() {
    let text = output(
      of: "echo 1 > /proc/sys/net/ipv4/ip_forward\ncat /proc/sys/net/ipv4/conf/lo/forwarding"
    )
    #expect(text == "1\n")
  }

  @Test func refusesSettingsOfOtherParts() {
    #expect(
      problems(in: "sysctl -w vm.swappiness=1")
        == ["test.lab:1:11: the setting `vm.swappiness' is not modelled"]
    )
  }
}

@Suite struct RelayTests {
  @Test func netcatAnswersItsFirstPeer() {
    let text = output(
      of: pair + """
        ip netns exec b nc -u -l 7000 >got &
        sleep 0.2
        echo hello | ip netns exec a nc -u -p 6000 -w 1 10.0.0.2 7000
        cat got
        """
    )
    #expect(text == "hello\n")
  }

  @Test func socatServesEachDatagramWithACommand() {
    let text = output(
      of: pair + """
        ip netns exec b socat UDP4-RECVFROM:7000,fork SYSTEM:'tr a-z A-Z' &
        sleep 0.2
        echo one | ip netns exec a socat -t 0.3 - UDP4:10.0.0.2:7000
        echo two | ip netns exec a socat -t 0.3 - UDP4:10.0.0.2:7000
        """
    )
    #expect(text == "ONE\nTWO\n")
  }

  @Test func socatTellsOfARefusal() {
    let text = output(of: pair + "echo x | ip netns exec a socat - UDP4:10.0.0.2:9; echo $?")
    #expect(text.hasSuffix("E read(5, 0x5581e0c0b000, 8192): Connection refused\n1\n"))
  }

  @Test func refusesAddressesOfOtherKinds() {
    #expect(
      problems(in: "socat - OPENSSL:10.0.0.1:443")
        == ["test.lab:1:9: the socat address type OPENSSL is not modelled"]
    )
  }
}

@Suite struct LookingTests {
  @Test func tcpdumpPrintsWhatPasses() {
    let text = output(
      of: pair + """
        ip netns exec b tcpdump -l -n -t -c 4 -i eth0 >seen 2>/dev/null &
        sleep 0.2
        ip netns exec a ping -c 1 -W 1 -e 7 10.0.0.2 >/dev/null
        sleep 0.2
        cat seen
        """
    )
    #expect(
      text == """
        ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28
        ARP, Reply 10.0.0.2 is-at \(text.components(after: "is-at ")), length 28
        IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 1, length 64
        IP 10.0.0.2 > 10.0.0.1: ICMP echo reply, id 7, seq 1, length 64

        """
    )
  }

  @Test func arpingAsksAndTells() {
    let text = output(of: pair + "ip netns exec a arping -c 1 -w 1 -I eth0 10.0.0.9; echo $?")
    #expect(
      text == """
        ARPING 10.0.0.9 from 10.0.0.1 eth0
        Sent 1 probes (1 broadcast(s))
        Received 0 response(s)
        1

        """
    )
  }

  @Test func ssShowsListeners() {
    let text = output(
      of: pair + "ip netns exec b nc -u -l 7000 &\nsleep 0.1\nip netns exec b ss -uan"
    )
    #expect(
      text == """
        State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess
        UNCONN 0      0            0.0.0.0:7000      0.0.0.0:*          

        """
    )
  }

  @Test func tracerouteNamesEachHop() {
    let text = output(of: pair + "ip netns exec a traceroute -n -q 1 10.0.0.2")
    #expect(
      text.hasPrefix(
        "traceroute to 10.0.0.2 (10.0.0.2), 30 hops max, 60 byte packets\n 1  10.0.0.2  0."
      )
    )
  }
}

extension String {
  /// The word that follows a text.
  fileprivate func components(after text: String) -> String {
    guard let range = self.firstRange(of: text) else { return "" }
    return String(self[range.upperBound...].prefix { $0 != "," })
  }
}
