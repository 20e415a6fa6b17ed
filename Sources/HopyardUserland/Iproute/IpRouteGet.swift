import HopyardSimulator
import HopyardWire

/// What `ip route get` asks.
struct RouteQuery {
  var key = FlowKey<UInt32>(destination: 0)
  var hasDestination = false
  var inputDevice: String?
  var outputDevice: String?
  var wantsFIBMatch = false
  var uid: UInt32?

  /// Reads arguments, or ends the call as ip does.
  static func parse(_ words: [String], _ context: IpContext) throws(ProcessExit) -> RouteQuery {
    var query = RouteQuery()
    var arguments = IpArguments(words, context)
    while let word = arguments.next() { try query.read(word, &arguments, context) }
    guard query.hasDestination else {
      context.printError("need at least a destination address\n")
      throw .status(1)
    }
    if let name = query.inputDevice {
      query.key.inputIfindex = try ifindex(name, context)
    }
    if let name = query.outputDevice {
      query.key.outputIfindex = try ifindex(name, context)
    }
    return query
  }

  private static func ifindex(
    _ name: String,
    _ context: IpContext
  ) throws(ProcessExit) -> Int32 {
    guard let device = context.namespace.devices[name] else {
      throw .status(context.noDevice(name))
    }
    return device.ifindex
  }

  private mutating func read(
    _ word: String,
    _ arguments: inout IpArguments,
    _ context: IpContext
  ) throws(ProcessExit) {
    switch word {
    case "from":
      let prefix = try arguments.prefix()
      key.source = prefix.address.rawValue
    case "tos", "dsfield":
      let text = try arguments.value()
      guard let tos = IprouteNames.field(text) else {
        throw arguments.wrong(text, "TOS value is invalid\n")
      }
      key.tos = tos
    case "iif": inputDevice = try arguments.value()
    case "oif", "dev": outputDevice = try arguments.value()
    case "mark":
      let text = try arguments.value()
      guard let mark = IprouteNames.number(text) else {
        throw arguments.wrong(text, "invalid mark value\n")
      }
      key.mark = UInt32(mark)
    case "uid":
      let text = try arguments.value()
      guard let value = IprouteNames.number(text) else {
        throw arguments.wrong(text, "invalid UID\n")
      }
      uid = UInt32(value)
    case "fibmatch": wantsFIBMatch = true
    case "ipproto":
      let text = try arguments.value()
      guard let value = IprouteNames.ipProtocol(text) else {
        throw arguments.wrong(text, "Invalid \"ipproto\" value\n")
      }
      key.ipProtocol = value
    case "sport": key.sourcePort = try port("sport", &arguments)
    case "dport": key.destinationPort = try port("dport", &arguments)
    case "vrf", "as", "connected", "notify":
      throw .refused("`\(word)' of ip route get is not modelled")
    default:
      var text = word
      if text == "to" { text = try arguments.value() }
      if text == "help" {
        context.printError(IpRouteText.usage)
        throw .status(255)
      }
      guard let prefix = IproutePrefix(text) else {
        throw arguments.badPrefix(text, isInet: hasDestination)
      }
      if prefix.hasLength, prefix.length != 32 {
        context.printError(
          "Warning: /\(prefix.length) as prefix is invalid, only /32 (or none) is supported.\n"
        )
      }
      key.destination = prefix.address.rawValue
      hasDestination = true
    }
  }

  private func port(
    _ name: String,
    _ arguments: inout IpArguments
  ) throws(ProcessExit) -> UInt16 {
    let text = try arguments.value()
    guard let value = IprouteNames.number(text, limit: 65535) else {
      throw arguments.wrong(text, "invalid \(name)\n")
    }
    return UInt16(value)
  }
}

extension IpRoute {
  /// `ip route get`.
  static func get(_ words: [String], _ context: IpContext) throws(ProcessExit) -> Int32 {
    var query = try RouteQuery.parse(words, context)
    let tables = context.namespace.routes
    if query.inputDevice != nil {
      return getInput(query, tables, context)
    }
    query.key.uid = query.uid ?? context.process?.uid ?? 0
    do throws(RouteError) {
      let route = try tables.routeOutput(query.key)
      try print(route, query, tables, context)
      return 0
    } catch {
      return context.answer(error)
    }
  }

  private static func getInput(
    _ query: RouteQuery,
    _ tables: RoutingTables<UInt32>,
    _ context: IpContext
  ) -> Int32 {
    guard let device = context.namespace.devices[query.key.inputIfindex], !device.isLoopback else {
      return context.answer(RouteError(.invalidArgument))
    }
    do throws(InputRefusal) {
      let route = try tables.routeInput(query.key)
      do throws(RouteError) {
        try print(route, query, tables, context)
        return 0
      } catch {
        return context.answer(error)
      }
    } catch {
      switch error {
      case .martianSource, .martianDestination, .reversePath:
        return context.answer(RouteError(.invalidArgument))
      case .forwardingDisabled: return context.answer(RouteError(.hostUnreachable))
      case .unreachable(let reason): return context.answer(RouteError(reason.errno))
      }
    }
  }

  private static func print(
    _ route: ResolvedRoute<UInt32>,
    _ query: RouteQuery,
    _ tables: RoutingTables<UInt32>,
    _ context: IpContext
  ) throws(RouteError) {
    var output = context.makeOutput()
    let text = RouteText(context)
    if query.wantsFIBMatch {
      guard let result = route.match, let entry = tables.route(result.route) else {
        throw RouteError(.hostUnreachable)
      }
      var shown = entry
      shown.table = result.table
      shown.type = route.type
      text.print(shown, to: &output)
    } else {
      describe(route, query, tables, text, context, &output)
    }
    context.print(output)
  }

  private static func describe(
    _ route: ResolvedRoute<UInt32>,
    _ query: RouteQuery,
    _ tables: RoutingTables<UInt32>,
    _ text: RouteText,
    _ context: IpContext,
    _ output: inout IpOutput
  ) {
    let isInput = query.inputDevice != nil
    let entry = route.result.flatMap { tables.route($0.route) }
    let lasting = isInput ? nil : context.namespace.learnedPath(by: route)
    output.openObject()
    if route.type != .unicast || context.options.details > 0 {
      output.field("type", IprouteNames.text(route.type))
    }
    let asked = query.key.destination
    let destination = "\(IPv4Address(rawValue: asked))"
    output.field("dst", destination, text: destination + " ", colour: .address)
    if query.key.source != 0 {
      let source = "\(IPv4Address(rawValue: query.key.source))"
      output.field("from", source, text: "from \(source) ", colour: .address)
    }
    if let tos = entry?.tos, tos != 0 { text.printTOS(tos, &output) }
    if let gateway = lasting?.gateway {
      text.printGateway(gateway.rawValue, &output)
    } else if route.hasGateway {
      text.printGateway(route.gateway, &output)
    }
    let device = context.namespace.devices[route.ifindex]?.name ?? "if\(route.ifindex)"
    output.field("dev", device, lead: "dev ", text: device + " ", colour: .interface)
    text.printTable(route.table, &output)
    if !isInput, query.key.source != route.source {
      let source = "\(IPv4Address(rawValue: route.source))"
      output.field("prefsrc", source, lead: "src ", text: source + " ", colour: .address)
    }
    text.printFlags([], offloadFailed: route.type == .multicast, &output)
    if let result = route.result, let entry,
      Int(result.nexthopIndex) < entry.nexthops.count,
      entry.nexthops[Int(result.nexthopIndex)].realm != 0
    {
      text.printRealms(entry.nexthops[Int(result.nexthopIndex)].realm, &output)
    }
    if query.key.mark != 0 {
      let mark = query.key.mark
      output.field(
        "mark",
        .unsigned(UInt64(mark)),
        text: mark >= 16 ? "mark 0x\(String(mark, radix: 16)) " : "mark \(mark) "
      )
    }
    if !isInput {
      output.field("uid", .unsigned(UInt64(query.key.uid)), text: "uid \(query.key.uid) ")
    }
    printCache(route, entry, lasting, query, text, context, &output)
    output.text("\n")
    output.closeObject()
  }

  private static func printCache(
    _ route: ResolvedRoute<UInt32>,
    _ entry: Route<UInt32>?,
    _ lasting: LearnedPath?,
    _ query: RouteQuery,
    _ text: RouteText,
    _ context: IpContext,
    _ output: inout IpOutput
  ) {
    var flags: [String] = []
    if route.isLocal { flags.append("local") }
    if route.type == .multicast { flags.append("mc") }
    if route.type == .broadcast { flags.append("brd") }
    if lasting?.gateway != nil { flags.append("redirected") }
    if route.redirects { flags.append("redirect") }
    output.text("\(context.options.lineEnd)    cache ")
    output.openArray("cache", text: flags.isEmpty ? "" : "<")
    for (index, flag) in flags.enumerated() {
      output.element(.string(flag), text: index > 0 ? "," + flag : flag)
    }
    output.closeArray(text: flags.isEmpty ? "" : "> ")
    var metrics = route.type == .broadcast ? .none : entry?.metrics ?? .none
    if let lasting {
      if let left = lasting.secondsLeft {
        output.field("expires", .number(left), text: "expires \(left)sec ")
      }
      if lasting.mtu > 0 {
        metrics.mtu = UInt32(truncatingIfNeeded: lasting.mtu)
        if lasting.isMTULocked { metrics.lock |= 1 << 2 }
      }
    }
    text.printMetrics(metrics, &output)
    if let name = query.inputDevice {
      output.field("iif", name, lead: "iif ", text: name + " ", colour: .interface)
    }
  }
}
