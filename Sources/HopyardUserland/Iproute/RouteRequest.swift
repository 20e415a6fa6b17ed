import HopyardSimulator
import HopyardWire

/// A route as the arguments of `ip route add` and its like describe it.
struct RouteRequest {
  /// What is to be done.
  enum Command {
    case insert(RouteInsertion)
    case delete
  }

  var route: Route<UInt32>
  private var arguments: IpArguments
  private let context: IpContext
  private let isDeletion: Bool
  private var hasDestination = false
  private var hasGateway = false
  private var hasScope = false
  private var hasTable = false
  private var hasType = false
  private var hasNexthops = false
  private var gateway: UInt32?
  private var device: String?
  private var realm: UInt32 = 0
  private var flags: NexthopFlags = []

  /// Reads arguments, or ends the call as ip does.
  static func parse(
    _ words: [String],
    _ command: Command,
    _ context: IpContext
  ) throws(ProcessExit) -> Route<UInt32> {
    var isDeletion = false
    if case .delete = command { isDeletion = true }
    var request = RouteRequest(words, isDeletion: isDeletion, context)
    try request.read()
    return request.route
  }

  private init(_ words: [String], isDeletion: Bool, _ context: IpContext) {
    arguments = IpArguments(words, context)
    self.context = context
    self.isDeletion = isDeletion
    route = Route()
    route.table = RouteTable.main
    if isDeletion {
      route.type = .unspecified
      route.scope = .nowhere
      route.protocol = .unspecified
    }
  }

  private mutating func read() throws(ProcessExit) {
    while let word = arguments.next() {
      if word == "nexthop" {
        try readNexthops()
        hasNexthops = true
        break
      }
      if try readAttribute(word) { continue }
      if try readMetric(word) { continue }
      try readDestination(word)
    }
    guard hasDestination else { throw fail(IpRouteText.usage, 255) }
    try complete()
  }

  private func fail(_ text: String, _ status: Int32) -> ProcessExit {
    context.printError(text)
    return .status(status)
  }

  private mutating func readAttribute(_ word: String) throws(ProcessExit) -> Bool {
    switch word {
    case "src":
      route.preferredSource = try arguments.address().rawValue
    case "via":
      if hasGateway, gateway != nil {
        throw arguments.wrong("via", "use nexthop syntax to specify multiple via\n")
      }
      if arguments.current == "inet" { _ = arguments.next() }
      if arguments.current == "inet6" { throw .refused("IPv6 is not modelled") }
      hasGateway = true
      let address = try arguments.address(isInet: hasDestination).rawValue
      gateway = address == 0 ? nil : address
    case "tos", "dsfield":
      let text = try arguments.value()
      guard let tos = IprouteNames.field(text) else {
        throw arguments.wrong(text, "\"tos\" value is invalid\n")
      }
      route.tos = tos
    case "metric", "priority", "preference":
      route.priority = try arguments.number("metric")
    case "scope":
      let text = try arguments.value()
      guard let scope = IprouteNames.scope(text) else {
        throw arguments.wrong(text, "invalid \"scope\" value\n")
      }
      route.scope = scope
      hasScope = true
    case "expires":
      let text = try arguments.value()
      guard IprouteNames.number(text) != nil else {
        throw arguments.wrong(text, "\"expires\" value is invalid\n")
      }
    case "onlink": flags.insert(.onlink)
    case "dev", "oif":
      device = try arguments.value()
    case "nhid":
      let text = try arguments.value()
      guard let id = IprouteNames.number(text) else {
        throw arguments.wrong(text, "\"id\" value is invalid\n")
      }
      route.nexthopID = UInt32(id)
    case "encap", "vrf", "as", "ttl-propagate", "pref", "nhid6":
      throw .refused("`\(word)' of ip route is not modelled")
    default:
      return try readAbbreviated(word)
    }
    return true
  }

  private mutating func readAbbreviated(_ word: String) throws(ProcessExit) -> Bool {
    if IpOptions.matches(word, "protocol"), word.count > 1 {
      let text = try arguments.value()
      guard let value = IprouteNames.routeProtocol(text) else {
        throw arguments.wrong(text, "\"protocol\" value is invalid\n")
      }
      route.protocol = value
      return true
    }
    if IpOptions.matches(word, "table") || word == "lookup" {
      let text = try arguments.value()
      guard let value = IprouteNames.table(text) else {
        throw arguments.wrong(text, "\"table\" value is invalid\n")
      }
      route.table = value
      hasTable = true
      return true
    }
    if IpOptions.matches(word, "realms"), word.count > 1 {
      let text = try arguments.value()
      guard let value = IprouteNames.realms(text) else {
        throw arguments.wrong(text, "\"realm\" value is invalid\n")
      }
      realm = value
      return true
    }
    return false
  }

  private mutating func readDestination(_ first: String) throws(ProcessExit) {
    var word = first
    if word == "to" { word = try arguments.value() }
    if word == "help" { throw fail(IpRouteText.usage, 255) }
    if let first = word.first, !first.isNumber,
      let type = IprouteNames.routeType(word, takesNumbers: false)
    {
      word = try arguments.value()
      route.type = type
      hasType = true
    } else if word == "nat" {
      // The kernel has had no route NAT for long.
      word = try arguments.value()
      route.type = .unspecified
      hasType = true
    }
    if hasDestination { throw arguments.garbage("to", word) }
    guard let prefix = IproutePrefix(word) else {
      throw arguments.badPrefix(word, isInet: hasGateway)
    }
    route.prefix = prefix.address.rawValue
    route.length = prefix.length
    hasDestination = true
  }

  // MARK: Metrics

  private mutating func readMetric(_ word: String) throws(ProcessExit) -> Bool {
    switch word {
    case "mtu": route.metrics.mtu = try locked(2, "mtu")
    case "window": route.metrics.window = try locked(3, "window")
    case "rtt": route.metrics.rtt = try time(4, "rtt", factor: 8)
    case "rttvar": route.metrics.rttvar = try time(5, "rttvar", factor: 4)
    case "ssthresh": route.metrics.ssthresh = try locked(6, "ssthresh")
    case "cwnd": route.metrics.cwnd = try locked(7, "cwnd")
    case "advmss": route.metrics.advmss = try locked(8, "mss")
    case "reordering": route.metrics.reordering = try locked(9, "reordering")
    case "hoplimit": route.metrics.hoplimit = try locked(10, "hoplimit", limit: 255)
    case "initcwnd": route.metrics.initcwnd = try locked(11, "initcwnd")
    case "initrwnd": route.metrics.initrwnd = try locked(14, "initrwnd")
    case "rto_min":
      route.metrics.rtoMin = try time(nil, "rto_min", factor: 1)
      route.metrics.lock |= 1 << 13
    case "features":
      var features: UInt32 = 0
      let text = try arguments.value()
      guard text == "ecn" else {
        throw arguments.wrong(text, "\"features\" value not valid\n")
      }
      features |= 1
      route.metrics.features = features
    case "quickack":
      let text = try arguments.value()
      guard let value = IprouteNames.number(text) else {
        throw arguments.wrong(text, "\"quickack\" value is invalid\n")
      }
      guard value <= 1 else {
        throw arguments.wrong(text, "\"quickack\" value should be 0 or 1\n")
      }
      route.metrics.quickack = UInt32(value)
    case "congctl":
      takeLock(16)
      let name = try arguments.value()
      guard ["reno", "bbr", "cubic"].contains(name) else { return try unknownAlgorithm() }
      route.metrics.congestionControl = name
    case "fastopen_no_cookie":
      let text = try arguments.value()
      guard let value = IprouteNames.number(text), value <= 1 else {
        throw arguments.wrong(text, "\"fastopen_no_cookie\" value should be 0 or 1\n")
      }
      route.metrics.fastopenNoCookie = UInt32(value)
    default: return false
    }
    return true
  }

  private func unknownAlgorithm() throws(ProcessExit) -> Bool {
    throw fail("Error: Unknown tcp congestion algorithm.\n", 2)
  }

  private mutating func takeLock(_ number: UInt32) {
    guard arguments.current == "lock" else { return }
    _ = arguments.next()
    route.metrics.lock |= 1 << number
  }

  private mutating func locked(
    _ number: UInt32,
    _ name: String,
    limit: UInt64 = UInt64(UInt32.max)
  ) throws(ProcessExit) -> UInt32 {
    takeLock(number)
    return try arguments.number(name, limit: limit)
  }

  /// A time in seconds or milliseconds; a bare number is in the kernel's own unit.
  private mutating func time(
    _ number: UInt32?,
    _ name: String,
    factor: UInt32
  ) throws(ProcessExit) -> UInt32 {
    if let number { takeLock(number) }
    let text = try arguments.value()
    let digits = text.prefix { $0.isNumber || $0 == "." }
    let unit = text.dropFirst(digits.count)
    guard let value = Double(digits), value < 4e6 else {
      throw arguments.wrong(text, "\"\(name)\" value is invalid\n")
    }
    switch unit {
    case "": return UInt32(value.rounded(.up))
    case "s", "sec", "secs": return UInt32((value * 1000).rounded(.up)) &* factor
    case "ms", "msec", "msecs": return UInt32(value.rounded(.up)) &* factor
    default: throw arguments.wrong(text, "\"\(name)\" value is invalid\n")
    }
  }

  // MARK: Next hops

  private mutating func readNexthops() throws(ProcessExit) {
    var isFirst = true
    while isFirst || arguments.hasMore {
      if !isFirst {
        let word = try arguments.value()
        guard word == "nexthop" else {
          throw fail(
            "Error: \"nexthop\" or end of line is expected instead of \"\(word)\"\n",
            255
          )
        }
      }
      isFirst = false
      guard arguments.hasMore else {
        throw fail("Error: unexpected end of line after \"nexthop\"\n", 255)
      }
      try readNexthop()
    }
  }

  private mutating func readNexthop() throws(ProcessExit) {
    var path = Nexthop<UInt32>()
    while let word = arguments.current, word != "nexthop" {
      switch word {
      case "via":
        _ = arguments.next()
        if arguments.current == "inet" { _ = arguments.next() }
        if arguments.current == "inet6" { throw .refused("IPv6 is not modelled") }
        let address = try arguments.address().rawValue
        path.gateway = address == 0 ? nil : address
      case "dev":
        _ = arguments.next()
        let name = try arguments.value()
        guard let ifindex = context.namespace.devices[name]?.ifindex else {
          _ = context.noDevice(name)
          throw fail("Error: cannot parse nexthop\n", 255)
        }
        path.ifindex = ifindex
      case "weight":
        _ = arguments.next()
        let text = try arguments.value()
        guard let weight = IprouteNames.number(text), (1...256).contains(weight) else {
          throw arguments.wrong(text, "\"weight\" is invalid\n")
        }
        path.weight = Int(weight)
      case "onlink":
        _ = arguments.next()
        path.flags.insert(.onlink)
      case "encap", "as":
        throw .refused("`\(word)' of ip route is not modelled")
      default:
        guard IpOptions.matches(word, "realms"), word.count > 1 else {
          throw fail(
            "Error: \"nexthop\" or end of line is expected instead of \"\(word)\"\n",
            255
          )
        }
        _ = arguments.next()
        let text = try arguments.value()
        guard let value = IprouteNames.realms(text) else {
          throw arguments.wrong(text, "\"realm\" value is invalid\n")
        }
        path.realm = value
      }
    }
    route.nexthops.append(path)
  }

  // MARK: What follows from what was given

  private mutating func complete() throws(ProcessExit) {
    var ifindex: Int32 = 0
    if let device {
      guard let found = context.namespace.devices[device]?.ifindex else {
        throw .status(context.noDevice(device))
      }
      ifindex = found
    }
    if !hasTable, [.local, .broadcast, .anycast].contains(route.type) {
      route.table = RouteTable.local
    }
    if !hasScope { route.scope = defaultScope }
    if route.nexthopID != 0, device != nil || gateway != nil || hasNexthops {
      if !isDeletion {
        throw fail(
          "Error: Nexthop specification and nexthop id are mutually exclusive.\n",
          2
        )
      }
    }
    let isFlagged =
      !flags.isEmpty && !isDeletion
      && ![.blackhole, .unreachable, .prohibit, .throw].contains(route.type)
    if !hasNexthops, device != nil || gateway != nil || isFlagged {
      var path = Nexthop<UInt32>(ifindex: ifindex, gateway: gateway, flags: flags)
      path.realm = realm
      route.nexthops = [path]
    } else if hasNexthops, flags.contains(.onlink) {
      for index in route.nexthops.indices { route.nexthops[index].flags.insert(.onlink) }
    }
  }

  private var defaultScope: RouteScope {
    switch route.type {
    case .local: return .host
    case .broadcast, .multicast, .anycast: return .link
    case .unicast, .unspecified:
      if hasType, route.type == .unspecified { return .host }
      if isDeletion { return .nowhere }
      return hasGateway || hasNexthops || route.nexthopID != 0 ? .universe : .link
    default: return isDeletion ? .nowhere : .universe
    }
  }
}
