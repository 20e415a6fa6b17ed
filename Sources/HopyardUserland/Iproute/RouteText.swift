import HopyardSimulator
import HopyardWire

/// Prints routes as `ip route` does.
struct RouteText {
  /// What a filter makes superfluous is not printed.
  struct Omissions {
    var table = false
    var device = false
    var gateway = false
    var routeProtocol = false
    var scope = false
    var source = false
    var metric = false
    var tos = false
    var realms = false
  }

  let options: IpOptions
  let namespace: NetworkNamespace
  var omissions = Omissions()

  init(_ context: IpContext) {
    options = context.options
    namespace = context.namespace
  }

  /// `10.0.0.0/24`, a lone address, or `default`.
  static func destination(_ prefix: UInt32, _ length: Int) -> String {
    let address = IPv4Address(rawValue: prefix)
    if length == 32 { return "\(address)" }
    if length == 0, prefix == 0 { return "default" }
    return "\(address)/\(length)"
  }

  private func device(_ ifindex: Int32) -> String {
    namespace.devices[ifindex]?.name ?? "if\(ifindex)"
  }

  /// Prints one route.
  func print(_ route: Route<UInt32>, to output: inout IpOutput) {
    output.openObject()
    let type = shownType(route)
    if type != .unicast || options.details > 0 {
      let name = options.isNumeric ? String(type.rawValue) : IprouteNames.text(type)
      output.field("type", name)
    }
    let destination = Self.destination(route.prefix, route.length)
    output.field(
      "dst",
      destination,
      text: destination + " ",
      colour: destination == "default" ? nil : .address
    )
    if route.nexthopID != 0 {
      output.field(
        "nhid",
        .unsigned(UInt64(route.nexthopID)),
        text: "nhid \(route.nexthopID) "
      )
    }
    if route.tos != 0, !omissions.tos { printTOS(route.tos, &output) }
    let single = route.nexthops.count == 1 ? route.nexthops[0] : nil
    if let gateway = single?.gateway, !omissions.gateway { printGateway(gateway, &output) }
    if let ifindex = single?.ifindex, ifindex != 0, !omissions.device {
      output.field(
        "dev",
        device(ifindex),
        lead: "dev ",
        text: device(ifindex) + " ",
        colour: .interface
      )
    } else if route.nexthopID != 0, route.nexthops.isEmpty, !omissions.device {
      // A black hole object stands on `lo`.
      output.field("dev", "lo", lead: "dev ", text: "lo ", colour: .interface)
    }
    printTable(route.table, &output)
    if route.protocol != .boot || options.details > 0, !omissions.routeProtocol {
      let text = IprouteNames.text(route.protocol, isNumeric: options.isNumeric)
      output.field("protocol", text, text: "proto \(text) ")
    }
    if route.scope != .universe || options.details > 0, !omissions.scope {
      let text = IprouteNames.text(route.scope, isNumeric: options.isNumeric)
      output.field("scope", text, text: "scope \(text) ")
    }
    if let source = route.preferredSource, !omissions.source {
      let text = "\(IPv4Address(rawValue: source))"
      output.field("prefsrc", text, lead: "src ", text: text + " ", colour: .address)
    }
    if route.priority != 0, !omissions.metric {
      output.field("metric", .unsigned(UInt64(route.priority)), text: "metric \(route.priority) ")
    }
    let flags = single.map { namespace.routes.shownFlags($0) } ?? route.flags
    printFlags(flags, &output)
    if let realm = single?.realm, realm != 0, !omissions.realms { printRealms(realm, &output) }
    printMetrics(route.metrics, &output)
    if route.nexthops.count > 1 { printPaths(route.nexthops, &output) }
    output.text("\n")
    output.closeObject()
  }

  private func shownType(_ route: Route<UInt32>) -> RouteType {
    route.nexthopID != 0 && route.nexthops.isEmpty ? .blackhole : route.type
  }

  func printTOS(_ tos: UInt8, _ output: inout IpOutput) {
    let text = IprouteNames.field(tos, isNumeric: options.isNumeric)
    output.field("tos", text, text: "tos \(text) ")
  }

  func printGateway(_ gateway: UInt32, _ output: inout IpOutput) {
    let text = "\(IPv4Address(rawValue: gateway))"
    output.field("gateway", text, lead: "via ", text: text + " ", colour: .address)
  }

  func printTable(_ table: UInt32, _ output: inout IpOutput) {
    guard table != RouteTable.main || options.details > 0, !omissions.table else { return }
    let text = IprouteNames.table(table, isNumeric: options.isNumeric)
    output.field("table", text, text: "table \(text) ")
  }

  func printFlags(
    _ flags: NexthopFlags,
    offloadFailed: Bool = false,
    _ output: inout IpOutput
  ) {
    output.openArray("flags")
    for (flag, name) in [
      (NexthopFlags.dead, "dead"), (.onlink, "onlink"), (.pervasive, "pervasive"),
      (.linkdown, "linkdown"),
    ] where flags.contains(flag) {
      output.element(.string(name), text: name + " ")
    }
    if offloadFailed { output.element(.string("rt_offload_failed"), text: "rt_offload_failed ") }
    output.closeArray()
  }

  func printRealms(_ realm: UInt32, _ output: inout IpOutput) {
    let from = realm >> 16
    let to = IprouteNames.realm(realm & 0xffff)
    output.openObject("flow")
    if from != 0 { output.json("from", .string(IprouteNames.realm(from))) }
    output.json("to", .string(to))
    output.closeObject()
    output.text(from != 0 ? "realms \(IprouteNames.realm(from))/\(to) " : "realm \(to) ")
  }

  private func printPaths(_ paths: [Nexthop<UInt32>], _ output: inout IpOutput) {
    output.openArray("nexthops")
    for path in paths {
      output.openObject()
      output.text("\(options.lineEnd)\tnexthop ")
      if let gateway = path.gateway { printGateway(gateway, &output) }
      output.field("dev", device(path.ifindex), text: "dev \(device(path.ifindex)) ")
      output.field("weight", .number(Int64(path.weight)), text: "weight \(path.weight) ")
      printFlags(namespace.routes.shownFlags(path), &output)
      output.closeObject()
    }
    output.closeArray()
  }

  // MARK: Metrics

  func printMetrics(_ metrics: RouteMetrics, _ output: inout IpOutput) {
    guard metrics != .none else { return }
    output.openArray("metrics")
    output.openObject()
    func number(_ bit: UInt32, _ name: String, _ value: UInt32, text: String? = nil) {
      guard value != 0 else { return }
      let lock = metrics.lock & 1 << bit != 0 ? "lock " : ""
      output.field(
        name,
        .unsigned(UInt64(value)),
        text: "\(name) \(lock)\(text ?? String(value)) "
      )
    }
    func time(_ bit: UInt32, _ name: String, _ raw: UInt32, divisor: UInt32) {
      guard raw != 0 else { return }
      let value = raw / divisor
      let lock = metrics.lock & 1 << bit != 0 ? "lock " : ""
      let text = value >= 1000 ? "\(Self.seconds(value))s" : "\(value)ms"
      output.field(name, .unsigned(UInt64(value)), text: "\(name) \(lock)\(text) ")
    }
    number(2, "mtu", metrics.mtu)
    number(3, "window", metrics.window)
    time(4, "rtt", metrics.rtt, divisor: 8)
    time(5, "rttvar", metrics.rttvar, divisor: 4)
    number(6, "ssthresh", metrics.ssthresh)
    number(7, "cwnd", metrics.cwnd)
    number(8, "advmss", metrics.advmss)
    number(9, "reordering", metrics.reordering)
    number(10, "hoplimit", metrics.hoplimit)
    number(11, "initcwnd", metrics.initcwnd)
    if metrics.features & 1 != 0 { output.field("ecn", .null, text: "features ecn ") }
    time(13, "rto_min", metrics.rtoMin, divisor: 1)
    number(14, "initrwnd", metrics.initrwnd)
    number(15, "quickack", metrics.quickack)
    if !metrics.congestionControl.isEmpty {
      let lock = metrics.lock & 1 << 16 != 0 ? "lock " : ""
      output.field(
        "congestion",
        metrics.congestionControl,
        text: "congctl \(lock)\(metrics.congestionControl) "
      )
    }
    number(17, "fastopen_no_cookie", metrics.fastopenNoCookie)
    output.closeObject()
    output.closeArray()
  }

  /// Milliseconds as seconds with up to six digits, as `%g` prints them.
  private static func seconds(_ milliseconds: UInt32) -> String {
    let whole = milliseconds / 1000
    var fraction = String(milliseconds % 1000 + 1000).dropFirst()
    while fraction.hasSuffix("0") { fraction = fraction.dropLast() }
    return fraction.isEmpty ? "\(whole)" : "\(whole).\(fraction)"
  }
}

extension RouteText {
  /// Prints a destination of which something was learned (`ip route show cache`).
  func print(_ known: KnownPath, to output: inout IpOutput) {
    output.openObject()
    if options.details > 0 { output.field("type", IprouteNames.text(.unicast)) }
    output.field(
      "dst",
      "\(known.destination)",
      text: "\(known.destination) ",
      colour: .address
    )
    if let gateway = known.gateway, !omissions.gateway { printGateway(gateway.rawValue, &output) }
    if !omissions.device {
      let name = namespace.devices[known.ifindex]?.name ?? "if\(known.ifindex)"
      output.field("dev", name, lead: "dev ", text: name + " ", colour: .interface)
    }
    printFlags([], &output)
    let isRedirected = known.path.gateway != nil
    output.text("\(options.lineEnd)    cache ")
    output.openArray("cache", text: isRedirected ? "<" : "")
    if isRedirected { output.element(.string("redirected"), text: "redirected") }
    output.closeArray(text: isRedirected ? "> " : "")
    if let left = known.path.secondsLeft {
      output.field("expires", .number(left), text: "expires \(left)sec ")
    }
    if options.statistics > 0 {
      output.field("users", .number(1), text: "users 1 ")
      output.field("age", .number(known.age), text: "age \(known.age)sec ")
    }
    if known.path.mtu > 0 {
      var metrics = RouteMetrics.none
      metrics.mtu = UInt32(truncatingIfNeeded: known.path.mtu)
      if known.path.isMTULocked { metrics.lock |= 1 << 2 }
      printMetrics(metrics, &output)
    }
    output.text("\n")
    output.closeObject()
  }
}
