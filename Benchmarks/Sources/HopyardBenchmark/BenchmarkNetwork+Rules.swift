import Hopyard

/// Networks whose cost is that of their rules.
extension BenchmarkNetwork {
  /// Two hosts with one router, whose FORWARD chain has many rules that no packet meets.
  func ruledRouter(rules: Int) throws -> Path {
    let path = try chain(routers: 1)
    var text = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    for index in 0..<rules {
      let address = IPv4Address(rawValue: 0x0b00_0000 + UInt32(index))
      text += "-A FORWARD -d \(address)/32 -p udp -m udp --dport 9000 -j ACCEPT\n"
    }
    text += "COMMIT\n"
    if let router = machine.namespace(named: "r1") { try load(text, into: router) }
    return path
  }

  /// One container host: pods `a` and `b` on a bridge that is also their gateway.
  ///
  /// Service addresses 10.96/12 leave pod `a` for the gateway, endpoints 10.244/16 are all local to
  /// pod `b`: the network of the kernel's program.
  func pods() throws -> Path {
    let path = try bridge()
    guard let host = machine.namespace(named: "sw"), let bridge = host.devices["br0"] else {
      throw Options.Failure(message: "no bridge")
    }
    try add("10.0.0.254/24", to: bridge, in: host)
    for line in [
      "ip netns exec sw sysctl -w net.ipv4.ip_forward=1",
      "ip netns exec sw sysctl -w net.ipv4.conf.all.send_redirects=0",
      "ip netns exec sw sysctl -w net.ipv4.conf.br0.send_redirects=0",
      "ip -n sw route add 10.244.0.0/16 via 10.0.0.2",
      "ip -n a route add default via 10.0.0.254",
      "ip -n b route add default via 10.0.0.254",
      "ip -n b route add local 10.244.0.0/16 dev lo",
    ] {
      try run(line)
    }
    return path
  }

  /// The shape of kube-proxy's rules: one in KUBE-SERVICES for each service, then a chain that
  /// divides the load and one for each endpoint.
  static func kubeRules(services: Int, endpoints: Int = 2) -> String {
    func digits(_ number: Int) -> String {
      let text = String(number, radix: 16, uppercase: true)
      return String(repeating: "0", count: max(0, 13 - text.count)) + text
    }
    var declared = ""
    var chosen = ""
    var rest = ""
    for service in 0..<services {
      let address = serviceAddress(service)
      let chain = "KUBE-SVC-\(digits(service))"
      declared += ":\(chain) - [0:0]\n"
      chosen +=
        "-A KUBE-SERVICES -d \(address)/32 -p udp -m comment --comment"
        + " \"ns\(service % 50)/svc\(service) cluster IP\" -m udp --dport 9000 -j \(chain)\n"
      rest +=
        "-A \(chain) ! -s 10.0.0.0/8 -d \(address)/32 -p udp -m udp --dport 9000"
        + " -j KUBE-MARK-MASQ\n"
      for endpoint in 0..<endpoints {
        let number = service * endpoints + endpoint
        let own = "KUBE-SEP-\(digits(number))"
        let pod = "10.244.\(number >> 8 & 255).\(number & 255)"
        let left = endpoints - endpoint
        let chance =
          left > 1 ? "-m statistic --mode random --probability \(1 / Double(left)) " : ""
        declared += ":\(own) - [0:0]\n"
        rest +=
          "-A \(chain) \(chance)-j \(own)\n-A \(own) -s \(pod)/32 -j KUBE-MARK-MASQ\n"
          + "-A \(own) -p udp -m udp -j DNAT --to-destination \(pod):9000\n"
      }
    }
    return """
      *filter
      :INPUT ACCEPT [0:0]
      :FORWARD ACCEPT [0:0]
      :OUTPUT ACCEPT [0:0]
      :KUBE-FORWARD - [0:0]
      -A FORWARD -j KUBE-FORWARD
      -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
      -A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
      -A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
      COMMIT
      *nat
      :PREROUTING ACCEPT [0:0]
      :INPUT ACCEPT [0:0]
      :OUTPUT ACCEPT [0:0]
      :POSTROUTING ACCEPT [0:0]
      :KUBE-SERVICES - [0:0]
      :KUBE-MARK-MASQ - [0:0]
      :KUBE-POSTROUTING - [0:0]
      \(declared)-A PREROUTING -j KUBE-SERVICES
      -A OUTPUT -j KUBE-SERVICES
      -A POSTROUTING -j KUBE-POSTROUTING
      -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
      -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
      -A KUBE-POSTROUTING -j MASQUERADE --random-fully
      \(chosen)\(rest)COMMIT

      """
  }

  static func serviceAddress(_ service: Int) -> IPv4Address {
    IPv4Address(rawValue: 0x0a60_0000 + UInt32(service))
  }
}
