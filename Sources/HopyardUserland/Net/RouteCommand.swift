import HopyardSimulator
import HopyardWire

/// `route`, as net-tools has it.
enum RouteCommand {
  private static let specification = OptionSpecification(
    "nvneF",
    long: ["numeric=n", "verbose=v", "extend=e"],
    refused: "CA:46hV",
    refusedLong: ["cache", "help", "version"]
  )

  static let command = Command(
    "route",
    check: { check in check.checkOptions(OptionSpecification("+nveF", refused: "CA:46hV")) },
    run: { process, arguments async throws(ProcessExit) in
      var words = arguments[...]
      var isNumeric = false
      var isExtended = false
      while let first = words.first, first.hasPrefix("-"), !["-net", "-host"].contains(first) {
        isNumeric = isNumeric || first.contains("n")
        isExtended = isExtended || first.contains("e")
        words = words.dropFirst()
      }
      guard let verb = words.popFirst() else {
        try await list(process, isNumeric: isNumeric, isExtended: isExtended)
        return 0
      }
      guard verb == "add" || verb == "del" || verb == "delete" else {
        try await process.printError(usage)
        return 3
      }
      return try await change(process, adds: verb == "add", Array(words))
    }
  )

  private static let usage = """
    Usage: route [-nNvee] [-FC] [<AF>]           List kernel routing tables
           route [-v] [-FC] {add|del|flush} ...  Modify routing table for AF.

           route {-h|--help} [<AF>]              Detailed usage syntax for specified AF.
           route {-V|--version}                  Display version/author and exit.

            -v, --verbose            be verbose
            -n, --numeric            don't resolve names
            -e, --extend             display other/more information
            -F, --fib                display Forwarding Information Base (default)
            -C, --cache              display routing cache instead of FIB

      <AF>=Use -4, -6, '-A <af>' or '--<af>'; default: inet
      List of possible address families (which support routing):
        inet (DARPA Internet) inet6 (IPv6) ax25 (AMPR AX.25)\u{20}
        netrom (AMPR NET/ROM) rose (AMPR ROSE) ipx (Novell IPX)\u{20}
        ddp (Appletalk DDP) x25 (CCITT X.25)\u{20}

    """

  private static let routeUsage = """
    Usage: inet_route [-vF] del {-host|-net} Target[/prefix] [gw Gw] [metric M] [[dev] If]
           inet_route [-vF] add {-host|-net} Target[/prefix] [gw Gw] [metric M]
                                  [netmask N] [mss Mss] [window W] [irtt I]
                                  [mod] [dyn] [reinstate] [[dev] If]
           inet_route [-vF] add {-host|-net} Target[/prefix] [metric M] reject
           inet_route [-FC] flush      NOT supported

    """

  // MARK: Listing

  static func list(_ process: Process, isNumeric: Bool, isExtended: Bool)
    async throws(ProcessExit)
  {
    var text = "Kernel IP routing table\n"
    text += "Destination     Gateway         Genmask         Flags "
    text += isExtended ? "  MSS Window  irtt Iface\n" : "Metric Ref    Use Iface\n"
    for line in RoutingTableLine.main(process.namespace) {
      let destination = IPv4Address(rawValue: line.destination)
      var target = destination.description
      if line.length == 0, !isNumeric {
        target = "default"
      } else if !isNumeric, line.length == 32, let name = process.hostName(of: destination) {
        target = name
      }
      var gateway = IPv4Address(rawValue: line.gateway).description
      if line.isReject {
        gateway = "-"
      } else if !isNumeric, line.gateway != 0 {
        gateway = process.hostName(of: IPv4Address(rawValue: line.gateway)) ?? gateway
      } else if !isNumeric, line.gateway == 0, line.length < 32 {
        gateway = "0.0.0.0"
      }
      var flags = line.isReject ? "!" : "U"
      if line.flags & 2 != 0 { flags += "G" }
      if line.flags & 4 != 0 { flags += "H" }
      text += target.padded(15) + " " + gateway.padded(15) + " "
      text += IPv4Address(rawValue: line.mask).description.padded(15) + " " + flags.padded(6)
      if isExtended {
        text +=
          line.isReject
          ? "    - -          - -\n" : "    0 0          0 \(line.device ?? "-")\n"
      } else {
        text += String(line.metric).padded(6) + " "
        text +=
          line.isReject
          ? "-        0 -\n" : "0        0 \(line.device ?? "-")\n"
      }
    }
    try await process.print(text)
  }

  // MARK: Changing

  private struct Request {
    var prefix = IPv4Prefix(.any, length: 0)
    var gateway: IPv4Address?
    var device: String?
    var metric: UInt32 = 0
    var isReject = false
  }

  private static func fail(_ process: Process, _ text: String) async throws(ProcessExit)
    -> ProcessExit
  {
    try await process.printError(text + routeUsage)
    return .status(3)
  }

  private static func read(_ process: Process, _ given: [String]) async throws(ProcessExit)
    -> Request
  {
    var words = given[...]
    var isNet: Bool?
    if words.first == "-net" || words.first == "-host" { isNet = words.popFirst() == "-net" }
    guard let target = words.popFirst() else { throw try await fail(process, "") }
    var request = Request()
    var address = IPv4Address.any
    var length: Int?
    if target == "default" {
      length = 0
    } else {
      let parts = target.split(separator: "/", maxSplits: 1).map(String.init)
      guard let found = process.resolve(parts[0]) else {
        try await process.printError("\(parts[0]): Host name lookup failure\n")
        throw .status(3)
      }
      address = found
      if parts.count > 1 {
        guard let number = Int(parts[1]), (0...32).contains(number) else {
          throw try await fail(process, "route: bogus netmask \(parts[1])\n")
        }
        length = number
      }
    }
    while let word = words.popFirst() {
      switch word {
      case "gw", "gateway":
        guard let text = words.popFirst(), let found = process.resolve(text) else {
          throw try await fail(process, "")
        }
        request.gateway = found
      case "netmask":
        guard let text = words.popFirst(), let mask = IPv4Address(text) else {
          throw try await fail(process, "")
        }
        let ones = (~mask.rawValue).leadingZeroBitCount
        let bits = mask.rawValue.nonzeroBitCount
        guard mask.rawValue == 0 || ones == 0 || bits == (~mask.rawValue).leadingZeroBitCount
        else { throw try await fail(process, "route: bogus netmask \(text)\n") }
        length = bits
      case "dev":
        guard let text = words.popFirst() else { throw try await fail(process, "") }
        request.device = text
      case "metric":
        guard let text = words.popFirst(), let number = UInt32(text) else {
          throw try await fail(process, "")
        }
        request.metric = number
      case "reject": request.isReject = true
      case "mss", "window", "irtt", "mod", "dyn", "reinstate":
        throw .refused("route: \(word) is not modelled")
      default:
        if process.namespace.devices[word] == nil, !words.isEmpty {
          throw try await fail(process, "")
        }
        request.device = word
      }
    }
    if isNet != true, let length, length != 32, target != "default" {
      let mask = (~UInt32(0) << UInt32(32 - length)).byteSwapped
      throw try await fail(
        process,
        "route: netmask \(DecimalText.hexadecimal(UInt64(length == 0 ? 0 : mask), 8)) doesn't make "
          + "sense with host route\n"
      )
    }
    let final = length ?? (isNet == true ? classLength(address) : 32)
    let prefix = IPv4Prefix(address, length: final)
    if prefix.mask.rawValue & address.rawValue != address.rawValue {
      throw try await fail(process, "route: netmask doesn't match route address\n")
    }
    request.prefix = prefix
    return request
  }

  /// The mask of the address's class, for networks written without one.
  private static func classLength(_ address: IPv4Address) -> Int {
    switch address.rawValue >> 28 {
    case 0..<8: address == .any ? 0 : 8
    case 8..<12: 16
    default: 24
    }
  }

  private static func change(_ process: Process, adds: Bool, _ words: [String])
    async throws(ProcessExit) -> Int32
  {
    let request = try await read(process, words)
    let namespace = process.namespace
    var path = Nexthop<UInt32>()
    path.gateway = request.gateway?.rawValue
    if let name = request.device {
      guard let device = namespace.devices[name] else {
        try await process.printError("SIOC\(adds ? "ADD" : "DEL")RT: No such device\n")
        return 7
      }
      path.ifindex = device.ifindex
    }
    var route = Route<UInt32>(
      prefix: request.prefix.address.rawValue,
      length: request.prefix.length,
      priority: request.metric
    )
    do throws(RouteError) {
      if adds {
        route.type = request.isReject ? .unreachable : .unicast
        route.scope = request.isReject ? .host : request.gateway != nil ? .universe : .link
        if !request.isReject { route.nexthops = [path] }
        try namespace.routes.insert(route, mode: .create)
      } else {
        route.type = .unspecified
        route.scope = .nowhere
        route.protocol = .unspecified
        if path.ifindex != 0 || path.gateway != nil { route.nexthops = [path] }
        try namespace.routes.delete(route)
      }
    } catch {
      try await process.printError(
        "SIOC\(adds ? "ADD" : "DEL")RT: \(error.errno.description)\n"
      )
      return 7
    }
    return 0
  }
}
