import HopyardSimulator
import HopyardWire

/// `netstat`, as net-tools has it: sockets, routes, interfaces and counters.
enum NetstatCommand {
  static let specification = OptionSpecification(
    "tuwnalprisex4NvW",
    long: [
      "tcp=t", "udp=u", "raw=w", "numeric=n", "all=a", "listening=l", "programs=p", "route=r",
      "interfaces=i", "statistics=s", "extend=e", "unix=x", "numeric-hosts=n", "numeric-ports=n",
      "wide=W", "verbose=v",
    ],
    refused: "gMoCFcZ6SUA:",
    refusedLong: ["groups", "masquerade", "timers", "continuous", "context", "help", "version"]
  )

  static let command = Command("netstat", options: specification) {
    process,
    arguments async throws(ProcessExit) in
    process.name = "netstat"
    let parsed = try await process.options(specification, arguments)
    if parsed.has("r") {
      try await RouteCommand.list(process, isNumeric: parsed.has("n"), isExtended: true)
      return 0
    }
    if parsed.has("i") {
      try await process.print(interfaces(process.namespace, all: parsed.has("a")))
      return 0
    }
    if parsed.has("s") {
      try await process.print(statistics(process.namespace, parsed))
      return 0
    }
    try await process.print(sockets(process, parsed))
    return 0
  }

  // MARK: Sockets

  private static func sockets(_ process: Process, _ parsed: ParsedOptions) -> String {
    let kinds = ["t", "u", "w"].filter { parsed.has($0) }
    let showsAllKinds = kinds.isEmpty && !parsed.has("x")
    let all = parsed.has("a")
    let listening = parsed.has("l")
    let scope = all ? "servers and established" : listening ? "only servers" : "w/o servers"
    let isExtended = parsed.has("e")
    let showsPrograms = parsed.has("p")
    var text = ""
    if !kinds.isEmpty || showsAllKinds {
      text += "Active Internet connections (\(scope))\n"
      text += "Proto Recv-Q Send-Q Local Address           Foreign Address         State      "
      if isExtended { text += " User       Inode     " }
      if showsPrograms { text += " PID/Program name    " }
      text += "\n"
      for row in rows(process.namespace, kinds, showsAllKinds) {
        let isServer = row.state == "LISTEN" || row.state == "UNCONN"
        guard all || listening == isServer else { continue }
        text += line(row, process, parsed)
      }
    }
    if showsAllKinds || parsed.has("x") {
      text += "Active UNIX domain sockets (\(scope))\n"
      text += "Proto RefCnt Flags       Type       State         I-Node  "
      text += showsPrograms ? " PID/Program name     Path\n" : " Path\n"
    }
    return text
  }

  private static func rows(
    _ namespace: NetworkNamespace,
    _ kinds: [String],
    _ all: Bool
  ) -> [SocketRow] {
    var rows: [SocketRow] = []
    if all || kinds.contains("t") {
      let connections = namespace.sockets.connections.filter { $0.state != .closed }
      rows += connections.filter { $0.state == .listen }.map(SocketRow.init)
      rows += connections.filter { $0.state != .listen }.map(SocketRow.init)
    }
    if all || kinds.contains("u") {
      rows += namespace.sockets.all.compactMap { $0 as? UDPSocket }
        .filter { $0.localPort != 0 }.map(SocketRow.init)
    }
    if all || kinds.contains("w") {
      rows += namespace.sockets.all.compactMap { $0 as? RawSocket }.map(SocketRow.init)
    }
    return rows
  }

  private static let states = [
    "ESTAB": "ESTABLISHED", "SYN-SENT": "SYN_SENT", "SYN-RECV": "SYN_RECV",
    "FIN-WAIT-1": "FIN_WAIT1", "FIN-WAIT-2": "FIN_WAIT2", "TIME-WAIT": "TIME_WAIT",
    "UNCONN": "", "CLOSE-WAIT": "CLOSE_WAIT", "LAST-ACK": "LAST_ACK", "LISTEN": "LISTEN",
    "CLOSING": "CLOSING",
  ]

  private static func line(_ row: SocketRow, _ process: Process, _ parsed: ParsedOptions) -> String
  {
    let isNumeric = parsed.has("n")
    func end(_ address: IPv4Address, _ port: UInt16) -> String {
      let host =
        isNumeric || address == .any
        ? address.description
        : process.hostName(of: address) ?? address.description
      let shown = port == 0 ? "*" : row.port(port, isNumeric: isNumeric)
      return "\(host):\(shown)"
    }
    // For a listener the queues hold connections, which netstat does not show.
    let isListener = row.state == "LISTEN"
    let receive = String(isListener ? 0 : row.receiveQueue).leftPadded(6)
    let send = String(isListener ? 0 : row.sendQueue).leftPadded(6)
    var state = states[row.state] ?? row.state
    if row.kind == "raw" { state = "7" }
    var text = row.kind.padded(4) + "  " + receive + " " + send + " "
    text += end(row.localAddress, row.localPort).padded(23) + " "
    text += end(row.remoteAddress, row.remotePort).padded(23) + " " + state.padded(11)
    if parsed.has("e") { text += " " + "root".padded(10) + " " + "0".padded(10) }
    if parsed.has("p") { text += " " + program(row).padded(20) }
    return text + "\n"
  }

  private static func program(_ row: SocketRow) -> String {
    guard let program = row.program else { return "-" }
    return "\(program.pid)/\(program.name)"
  }

  // MARK: Interfaces

  private static func interfaces(_ namespace: NetworkNamespace, all: Bool) -> String {
    var text = "Kernel Interface table\n"
    text +=
      "Iface             MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg\n"
    for device in namespace.devices.all.sorted(by: { $0.name < $1.name })
    where all || device.isUp {
      let counts = device.statistics
      func field(_ value: UInt64, _ width: Int) -> String { String(value).leftPadded(width) }
      var flags = device.isLoopback ? "L" : device.isEthernet ? "BM" : "MO"
      if device.promiscuity > 0 { flags += "P" }
      if device.isUp && device.hasCarrier { flags += "R" }
      if device.isUp { flags += "U" }
      text += device.name.padded(16) + String(device.mtu).leftPadded(5) + " "
      text += field(counts.receivedPackets, 8) + " " + field(counts.receiveErrors, 6) + " "
      text += field(counts.receiveDropped, 6) + " " + "0".padded(6) + " "
      text += field(counts.sentPackets, 8) + " " + field(counts.sendErrors, 6) + " "
      text += field(counts.sendDropped, 6) + " " + "0".leftPadded(6) + " \(flags)\n"
    }
    return text
  }

  // MARK: Counters

  /// A counter and what is said of it; counters that are never left out have `isAlways`.
  private static let sentences:
    [(title: String, letter: String, lines: [(IPCounter, String, Bool)])] = [
      (
        "Ip", "",
        [
          (.ipInReceives, "total packets received", true),
          (.ipInHdrErrors, "with invalid headers", false),
          (.ipInAddrErrors, "with invalid addresses", false),
          (.ipForwDatagrams, "forwarded", true),
          (.ipInUnknownProtos, "with unknown protocol", false),
          (.ipInDiscards, "incoming packets discarded", true),
          (.ipInDelivers, "incoming packets delivered", true),
          (.ipOutRequests, "requests sent out", true),
          (.ipOutDiscards, "outgoing packets dropped", false),
          (.ipOutNoRoutes, "dropped because of missing route", false),
          (.ipReasmTimeout, "fragments dropped after timeout", false),
          (.ipReasmReqds, "reassemblies required", false),
          (.ipReasmOKs, "packets reassembled ok", false),
          (.ipReasmFails, "packet reassemblies failed", false),
          (.ipFragOKs, "fragments received ok", false),
          (.ipFragFails, "fragments failed", false),
          (.ipFragCreates, "fragments created", false),
        ]
      ),
      (
        "Icmp", "w",
        [
          (.icmpInMsgs, "ICMP messages received", true),
          (.icmpInErrors, "input ICMP message failed", true),
          (.icmpOutMsgs, "ICMP messages sent", true),
          (.icmpOutErrors, "ICMP messages failed", true),
        ]
      ),
      (
        "Tcp", "t",
        [
          (.tcpActiveOpens, "active connection openings", true),
          (.tcpPassiveOpens, "passive connection openings", true),
          (.tcpAttemptFails, "failed connection attempts", true),
          (.tcpEstabResets, "connection resets received", true),
          (.tcpInSegs, "segments received", true),
          (.tcpOutSegs, "segments sent out", true),
          (.tcpRetransSegs, "segments retransmitted", true),
          (.tcpInErrs, "bad segments received", true),
          (.tcpOutRsts, "resets sent", true),
        ]
      ),
      (
        "Udp", "u",
        [
          (.udpInDatagrams, "packets received", true),
          (.udpNoPorts, "packets to unknown port received", true),
          (.udpInErrors, "packet receive errors", true),
          (.udpOutDatagrams, "packets sent", true),
          (.udpRcvbufErrors, "receive buffer errors", true),
          (.udpSndbufErrors, "send buffer errors", true),
        ]
      ),
    ]

  private static func statistics(_ namespace: NetworkNamespace, _ parsed: ParsedOptions) -> String {
    let kinds = ["t", "u", "w"].filter { parsed.has($0) }
    let counters = namespace.counters
    var text = ""
    for group in sentences where kinds.isEmpty || kinds.contains(group.letter) {
      text += "\(group.title):\n"
      if group.title == "Ip" {
        text += "    Forwarding: \(namespace.settings.forwarding ? 1 : 2)\n"
      }
      for (counter, words, isAlways) in group.lines {
        let value = counters[counter]
        if value != 0 || isAlways { text += "    \(value) \(words)\n" }
        if counter == .tcpEstabResets {
          let established = namespace.sockets.connections.count {
            $0.state == .established || $0.state == .closeWait
          }
          text += "    \(established) connections established\n"
        }
      }
    }
    return text
  }
}
