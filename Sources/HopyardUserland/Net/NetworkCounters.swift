import HopyardSimulator

/// The counters of `/proc/net/snmp` and `/proc/net/netstat` by group, in the kernel's order.
enum NetworkCounters {
  /// The groups of `/proc/net/snmp`.
  static let basic: [(group: String, names: [String])] = [
    (
      "Ip",
      words(
        """
        Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos \
        InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs \
        ReasmFails FragOKs FragFails FragCreates OutTransmits
        """
      )
    ),
    (
      "Icmp",
      words(
        """
        InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs \
        InRedirects InEchos InEchoReps InTimestamps InTimestampReps InAddrMasks InAddrMaskReps \
        OutMsgs OutErrors OutRateLimitGlobal OutRateLimitHost OutDestUnreachs OutTimeExcds \
        OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps OutTimestamps \
        OutTimestampReps OutAddrMasks OutAddrMaskReps
        """
      )
    ),
    (
      "Tcp",
      words(
        """
        RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets \
        CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors
        """
      )
    ),
    ("Udp", datagrams), ("UdpLite", datagrams),
  ]

  private static let datagrams = words(
    """
    InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti \
    MemErrors
    """
  )

  /// What `nstat` leaves out: settings, not counts.
  static let settings: Set<String> = [
    "IpForwarding", "IpDefaultTTL", "TcpRtoAlgorithm", "TcpRtoMin", "TcpRtoMax", "TcpMaxConn",
    "TcpCurrEstab",
  ]

  private static let byName = Dictionary(
    uniqueKeysWithValues: IPCounter.allCases.map { ($0.rawValue, $0) }
  )

  static func words(_ text: String) -> [String] {
    text.split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init)
  }

  static func value(_ name: String, _ namespace: NetworkNamespace) -> String {
    switch name {
    case "IpForwarding": return namespace.settings.forwarding ? "1" : "2"
    case "IpDefaultTTL": return String(namespace.settings.defaultTTL)
    case "TcpRtoAlgorithm": return "1"
    case "TcpRtoMin": return "200"
    case "TcpRtoMax": return "120000"
    case "TcpMaxConn": return "-1"
    case "TcpCurrEstab":
      let count = namespace.sockets.connections.count {
        $0.state == .established || $0.state == .closeWait
      }
      return String(count)
    default:
      let counter = byName[name] ?? messages[name]
      return String(counter.map { namespace.counters[$0] } ?? 0)
    }
  }

  /// ICMP messages by type: the kernel names a type once it has seen one.
  private static let messageTypes: [(name: String, counter: IPCounter)] = [
    ("InType0", .icmpInEchoReps), ("InType3", .icmpInDestUnreachs),
    ("InType4", .icmpInSrcQuenchs), ("InType5", .icmpInRedirects), ("InType8", .icmpInEchos),
    ("InType11", .icmpInTimeExcds), ("InType12", .icmpInParmProbs),
    ("InType13", .icmpInTimestamps), ("InType14", .icmpInTimestampReps),
    ("InType17", .icmpInAddrMasks), ("InType18", .icmpInAddrMaskReps),
    ("OutType0", .icmpOutEchoReps), ("OutType3", .icmpOutDestUnreachs),
    ("OutType4", .icmpOutSrcQuenchs), ("OutType5", .icmpOutRedirects),
    ("OutType8", .icmpOutEchos), ("OutType11", .icmpOutTimeExcds),
    ("OutType12", .icmpOutParmProbs), ("OutType13", .icmpOutTimestamps),
    ("OutType14", .icmpOutTimestampReps), ("OutType17", .icmpOutAddrMasks),
    ("OutType18", .icmpOutAddrMaskReps),
  ]

  private static let messages = Dictionary(
    uniqueKeysWithValues: messageTypes.map { ("IcmpMsg" + $0.name, $0.counter) }
  )

  /// The groups of `/proc/net/snmp` as a namespace shows them: with the types of ICMP messages seen.
  static func basic(_ namespace: NetworkNamespace) -> [(group: String, names: [String])] {
    var groups = basic
    let seen = messageTypes.filter { namespace.counters[$0.counter] > 0 }.map(\.name)
    if !seen.isEmpty { groups.insert(("IcmpMsg", seen), at: 2) }
    return groups
  }

  /// The lines of `/proc/net/snmp6`.
  static func text6() -> String {
    version6.map { group, names in
      names.map { (group + $0).padded(32) + "\t0\n" }.joined()
    }.joined()
  }

  /// Both lines of each group.
  static func text(
    _ groups: [(group: String, names: [String])],
    _ namespace: NetworkNamespace
  ) -> String {
    groups.map { group, names in
      let values = names.map { value(group + $0, namespace) }
      return "\(group): \(names.joined(separator: " "))\n"
        + "\(group): \(values.joined(separator: " "))\n"
    }.joined()
  }
}

/// `nstat`.
enum CounterCommand {
  static let specification = OptionSpecification(
    "azsrn",
    long: ["ignore=a", "zeros=z", "noupdate=s", "reset=r", "nooutput=n"],
    refused: "d:t:jphV?",
    refusedLong: ["json", "pretty", "scan:", "interval:", "help", "version"]
  )

  static let command = Command(
    "nstat",
    check: { check in
      check.checkOptions(specification)
      guard case .success(let parsed) = specification.parse(check.texts) else { return }
      if !parsed.has("a"), !parsed.has("r"), !parsed.has("n") {
        check.report(nil, "nstat without -a, which counts from the last call on, is not modelled")
      }
    },
    run: { process, arguments async throws(ProcessExit) in
      let parsed = try await process.options(specification, arguments)
      if parsed.has("n") { return 0 }
      var text = "#kernel\n"
      let namespace = process.namespace
      let groups = NetworkCounters.basic(namespace) + NetworkCounters.version6
      for (group, names) in groups + NetworkCounters.extended {
        for name in names {
          let name = group + name
          if NetworkCounters.settings.contains(name) { continue }
          if !parsed.operands.isEmpty,
            !parsed.operands.contains(where: { matches(Array($0.utf8), Array(name.utf8)) })
          {
            continue
          }
          let value = NetworkCounters.value(name, process.namespace)
          if value == "0" && !parsed.has("z") { continue }
          text += name.padded(32) + value.padded(16) + "   0.0\n"
        }
      }
      try await process.print(text)
      return 0
    }
  )

  /// Whether a name fits a pattern of letters, `*` and `?`.
  private static func matches(_ pattern: [UInt8], _ name: [UInt8]) -> Bool {
    var reachable = Set([0])
    for byte in pattern {
      var next: Set<Int> = []
      for position in reachable {
        switch byte {
        case UInt8(ascii: "*"): next.formUnion(position...name.count)
        case UInt8(ascii: "?"): if position < name.count { next.insert(position + 1) }
        default: if position < name.count, name[position] == byte { next.insert(position + 1) }
        }
      }
      reachable = next
    }
    return reachable.contains(name.count)
  }
}
