import HopyardSimulator
import HopyardWire

/// Which routes `ip route show` and `ip route flush` mean.
struct RouteFilter {
  /// The table; nil for all.
  var table: UInt32? = RouteTable.main
  var isCached = false
  var tos: UInt8?
  var metric: UInt32?
  var routeProtocol: RouteProtocol?
  var scope: RouteScope?
  var type: RouteType?
  var device: String?
  var ifindex: Int32?
  var gateway: IproutePrefix?
  var source: IproutePrefix?
  var realm: UInt32?
  /// The routes at or below this prefix.
  var root: IproutePrefix?
  /// The routes at or above this prefix.
  var match: IproutePrefix?

  /// Reads arguments, or ends the call as ip does.
  static func parse(_ words: [String], _ context: IpContext) throws(ProcessExit) -> RouteFilter {
    var filter = RouteFilter()
    var arguments = IpArguments(words, context)
    while let word = arguments.next() {
      if try filter.read(word, &arguments) { continue }
      try filter.readPrefix(word, &arguments, context)
    }
    if let name = filter.device {
      guard let device = context.namespace.devices[name] else {
        throw .status(context.noDevice(name))
      }
      filter.ifindex = device.ifindex
    }
    return filter
  }

  private mutating func read(
    _ word: String,
    _ arguments: inout IpArguments
  ) throws(ProcessExit) -> Bool {
    switch word {
    case "table", "lookup", "tab", "tabl", "t", "ta":
      try readTable(&arguments)
    case "cached", "cloned", "cache":
      isCached = true
    case "tos", "dsfield":
      let text = try arguments.value()
      guard let value = IprouteNames.field(text) else {
        throw arguments.wrong(text, "TOS value is invalid\n")
      }
      tos = value
    case "metric", "priority", "preference":
      let text = try arguments.value()
      guard let value = IprouteNames.number(text) else {
        throw arguments.wrong(text, "\"metric\" value is invalid\n")
      }
      metric = UInt32(value)
    case "dev", "oif":
      device = try arguments.value()
    case "via":
      gateway = try arguments.prefix(isInet: true)
    case "src":
      source = try arguments.prefix(isInet: true)
    case "vrf", "iif", "mark", "from", "nhid6":
      throw .refused("`\(word)' of ip route show is not modelled")
    default:
      return try readAbbreviated(word, &arguments)
    }
    return true
  }

  private mutating func readAbbreviated(
    _ word: String,
    _ arguments: inout IpArguments
  ) throws(ProcessExit) -> Bool {
    if IpOptions.matches(word, "protocol") {
      let text = try arguments.value()
      if text == "all" { return true }
      guard let value = IprouteNames.routeProtocol(text) else {
        throw arguments.wrong(text, "invalid \"protocol\"\n")
      }
      routeProtocol = value
    } else if IpOptions.matches(word, "scope") {
      let text = try arguments.value()
      if text == "all" { return true }
      guard let value = IprouteNames.scope(text) else {
        throw arguments.wrong(text, "invalid \"scope\"\n")
      }
      scope = value
    } else if IpOptions.matches(word, "type") {
      let text = try arguments.value()
      guard let value = IprouteNames.routeType(text) else {
        throw arguments.wrong(text, "node type value is invalid\n")
      }
      type = value
    } else if IpOptions.matches(word, "realms"), word.count > 1 {
      let text = try arguments.value()
      guard let value = IprouteNames.realms(text) else {
        throw arguments.wrong(text, "invalid realms\n")
      }
      realm = value
    } else {
      return false
    }
    return true
  }

  private mutating func readTable(_ arguments: inout IpArguments) throws(ProcessExit) {
    let text = try arguments.value()
    switch text {
    case "all": table = nil
    case "cache": isCached = true
    default:
      guard let value = IprouteNames.table(text) else {
        throw arguments.wrong(text, "table id value is invalid\n")
      }
      table = value == 0 ? nil : value
    }
  }

  private mutating func readPrefix(
    _ first: String,
    _ arguments: inout IpArguments,
    _ context: IpContext
  ) throws(ProcessExit) {
    var word = first
    if word == "to" { word = try arguments.value() }
    func prefix(_ text: String) throws(ProcessExit) -> IproutePrefix {
      guard let prefix = IproutePrefix(text) else {
        throw arguments.badPrefix(text, isInet: context.options.family == .inet)
      }
      return prefix
    }
    switch word {
    case "root": root = try prefix(arguments.value())
    case "match": match = try prefix(arguments.value())
    case "help":
      context.printError(IpRouteText.usage)
      throw .status(255)
    default:
      if word == "exact" { word = try arguments.value() }
      let exact = try prefix(word)
      root = exact
      match = exact
    }
  }

  /// Whether a route is meant.
  func accepts(_ route: Route<UInt32>) -> Bool {
    if let tos, tos != route.tos { return false }
    if let metric, metric != route.priority { return false }
    if let routeProtocol, routeProtocol != route.protocol { return false }
    if let scope, scope != route.scope { return false }
    if let type, type != route.type { return false }
    let single = route.nexthops.count == 1 ? route.nexthops[0] : nil
    if let ifindex, single?.ifindex != ifindex { return false }
    if let gateway {
      guard let found = single?.gateway,
        (found ^ gateway.address.rawValue) & gateway.mask == 0
      else { return false }
    }
    if let source {
      guard let found = route.preferredSource,
        (found ^ source.address.rawValue) & source.mask == 0
      else { return false }
    }
    if let realm, single?.realm != realm { return false }
    if let root {
      if root.length > route.length { return false }
      if (route.prefix ^ root.address.rawValue) & root.mask != 0 { return false }
    }
    if let match {
      if match.length < route.length { return false }
      let mask = IPv4Prefix.mask(length: route.length).rawValue
      if (route.prefix ^ match.address.rawValue) & mask != 0 { return false }
    }
    return true
  }

  /// Whether a path of which something was learned is meant.
  func accepts(_ path: KnownPath) -> Bool {
    var route = Route<UInt32>(prefix: path.destination.rawValue, length: 32)
    route.nexthops = [Nexthop(ifindex: path.ifindex, gateway: path.gateway?.rawValue)]
    route.protocol = .unspecified
    return accepts(route)
  }

  /// What need not be printed because it was asked for.
  var omissions: RouteText.Omissions {
    RouteText.Omissions(
      table: table != nil,
      device: ifindex != nil,
      gateway: gateway?.length == 32,
      routeProtocol: routeProtocol != nil,
      scope: scope != nil,
      source: source?.length == 32,
      metric: metric != nil,
      tos: tos != nil,
      realms: realm != nil
    )
  }
}
