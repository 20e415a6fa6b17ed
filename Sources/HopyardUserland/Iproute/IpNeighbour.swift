import HopyardSimulator
import HopyardWire

/// `ip neighbour`.
enum IpNeighbour {
  static let usage = """
    Usage: ip neigh { add | del | change | replace }
                    { ADDR [ lladdr LLADDR ] [ nud STATE ] proxy ADDR }
                    [ dev DEV ] [ router ] [ use ] [ managed ] [ extern_learn ]
                    [ protocol PROTO ]

    \tip neigh { show | flush } [ proxy ] [ to PREFIX ] [ dev DEV ] [ nud STATE ]
    \t\t\t\t  [ vrf NAME ] [ nomaster ]
    \tip neigh get { ADDR | proxy ADDR } dev DEV

    STATE := { delay | failed | incomplete | noarp | none |
               permanent | probe | reachable | stale }

    """

  static func run(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    guard let verb = words.first else { return try show(context, []) }
    func isVerb(_ full: String) -> Bool { IpOptions.matches(verb, full) }
    let rest = Array(words.dropFirst())
    if isVerb("add") { return try modify(context, rest, .add) }
    if isVerb("change") || verb == "chg" { return try modify(context, rest, .change) }
    if isVerb("replace") { return try modify(context, rest, .replace) }
    if isVerb("delete") { return try modify(context, rest, nil) }
    if isVerb("get") { return try get(context, rest) }
    if isVerb("show") || isVerb("lst") || isVerb("list") { return try show(context, rest) }
    if isVerb("flush") { return try flush(context, rest) }
    if isVerb("help") {
      context.printError(usage)
      return 255
    }
    context.printError("Command \"\(verb)\" is unknown, try \"ip neigh help\".\n")
    return 255
  }

  /// The state with a name of `nud`, or a number.
  private static func state(_ text: String) -> NeighbourState? {
    if let known = NeighbourState.allCases.first(where: { $0.name.lowercased() == text }) {
      return known
    }
    return IprouteNames.number(text, limit: 255)
      .flatMap { NeighbourState(rawValue: UInt16($0)) }
  }

  // MARK: Changes

  private static func modify(
    _ context: IpContext,
    _ words: [String],
    _ change: NetworkNamespace.NeighbourChange?
  ) throws(ProcessExit) -> Int32 {
    var arguments = IpArguments(words, context)
    var deviceName: String?
    var address: IPv4Address?
    var linkAddress: String?
    var wanted = NeighbourState.permanent
    var isProxy = false
    var isRouter = false
    var isExternal = false
    var uses = false
    var origin: UInt8 = 0
    while let word = arguments.next() {
      switch word {
      case "lladdr": linkAddress = try arguments.value()
      case "nud":
        let text = try arguments.value()
        guard let found = state(text) else { throw arguments.wrong(text, "nud state is bad") }
        wanted = found
      case "proxy":
        if address != nil { throw arguments.duplicate("address", arguments.current ?? "") }
        address = try arguments.address(isInet: context.options.family == .inet)
        isProxy = true
      case "dev": deviceName = try arguments.value()
      case "router": isRouter = true
      case "extern_learn": isExternal = true
      case "use": uses = true
      case "managed": throw .refused("ip neigh … managed is not modelled")
      case "protocol":
        let text = try arguments.value()
        guard let found = IprouteNames.routeProtocol(text) else {
          throw arguments.wrong(text, "\"protocol\" value is invalid\n")
        }
        origin = found.rawValue
      case "help":
        context.printError(usage)
        return 255
      default:
        let text = word == "to" ? try arguments.value() : word
        if address != nil { throw arguments.garbage("to", text) }
        guard let found = IPv4Address.leadingOctets(text) else {
          if IproutePrefix.isIPv6(text) { throw .refused("IPv6 is not modelled") }
          throw arguments.fail(
            "Error: any valid address is expected rather than \"\(text)\".\n",
            1
          )
        }
        address = found
      }
    }
    guard let deviceName, let address else {
      context.printError("Device and destination are required arguments.\n")
      return 255
    }
    let namespace = context.namespace
    guard let device = namespace.devices[deviceName] else { return context.noDevice(deviceName) }
    var mac: MACAddress?
    if let linkAddress, linkAddress != "null" {
      guard let parsed = MACAddress(linkAddress) else {
        let parts = linkAddress.split(separator: ":", omittingEmptySubsequences: false)
        if parts.allSatisfy({ UInt8($0, radix: 16) != nil && $0.count <= 2 }) {
          return context.answer("Invalid argument", message: "Invalid link address")
        }
        context.printError("\"\(linkAddress)\" is invalid lladdr.\n")
        return 255
      }
      mac = parsed
    }
    do {
      if isProxy {
        if change == nil {
          try namespace.removeNeighbourProxy(address, on: device)
        } else {
          namespace.addNeighbourProxy(address, on: device)
        }
        return 0
      }
      guard let change else {
        try namespace.removeNeighbour(address, on: device)
        return 0
      }
      if uses { throw ProcessExit.refused("ip neigh … use is not modelled") }
      try namespace.setNeighbour(
        address,
        on: device,
        linkAddress: mac,
        state: wanted,
        change,
        isRouter: isRouter,
        isExternallyLearned: isExternal,
        origin: origin
      )
      return 0
    } catch let error as LinkError {
      return context.answer(error)
    } catch let exit as ProcessExit {
      throw exit
    } catch {
      return 2
    }
  }

  // MARK: Listings

  private struct Filter {
    var device: NetworkDevice?
    var prefix: IproutePrefix?
    var states: UInt16?
    var isProxy = false
    var withoutMaster = false

    func matches(_ entry: NeighbourView, _ namespace: NetworkNamespace) -> Bool {
      if let device, device.ifindex != entry.ifindex { return false }
      if withoutMaster, namespace.devices[entry.ifindex]?.master != nil { return false }
      if let prefix, (entry.address.rawValue ^ prefix.address.rawValue) & prefix.mask != 0 {
        return false
      }
      return true
    }
  }

  private static func readFilter(
    _ context: IpContext,
    _ words: [String]
  ) throws(ProcessExit) -> Filter {
    var filter = Filter()
    var arguments = IpArguments(words, context)
    while let word = arguments.next() {
      switch word {
      case "dev":
        let name = try arguments.value()
        guard let device = context.namespace.devices[name] else {
          throw .status(context.noDevice(name))
        }
        filter.device = device
      case "master", "vrf": throw .refused("ip neigh show … \(word) is not modelled")
      case "nomaster": filter.withoutMaster = true
      case "unused": throw .refused("ip neigh show … unused is not modelled")
      case "nud":
        let text = try arguments.value()
        if text == "all" {
          filter.states = .max
        } else if let found = state(text) {
          filter.states = (filter.states ?? 0) | (found == .none ? 0x100 : found.rawValue)
        } else {
          throw arguments.wrong(text, "nud state is bad")
        }
      case "proxy": filter.isProxy = true
      case "protocol": _ = try arguments.value()
      case "help":
        context.printError(usage)
        throw .status(255)
      default:
        let text = word == "to" ? try arguments.value() : word
        guard let prefix = IproutePrefix(text) else { throw arguments.badPrefix(text) }
        filter.prefix = prefix
      }
    }
    return filter
  }

  private static func show(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    let filter = try readFilter(context, words)
    var output = context.makeOutput()
    if context.options.family != .inet6 {
      if filter.isProxy {
        for proxy in context.namespace.neighbourProxies {
          guard let device = context.namespace.devices[proxy.ifindex] else { continue }
          if let wanted = filter.device, wanted !== device { continue }
          output.openObject()
          output.field("dst", proxy.address.description)
          if filter.device == nil { output.field("dev", device.name, text: "dev \(device.name) ") }
          output.field("proxy", .null, text: "proxy ")
          output.text("\n")
          output.closeObject()
        }
      } else {
        // Without a word on states those that need no resolution are left out.
        let states = filter.states ?? 0xff & ~NeighbourState.noARP.rawValue
        for entry in context.namespace.neighbours
        where filter.matches(entry, context.namespace) {
          let bits = entry.state == .none ? 0x100 : entry.state.rawValue
          // Those that an outside agent learned are always shown.
          guard states & bits != 0 || entry.isExternallyLearned else { continue }
          print(entry, context, filter.device != nil, &output)
        }
      }
    }
    context.print(output)
    return 0
  }

  private static func print(
    _ entry: NeighbourView,
    _ context: IpContext,
    _ hidesDevice: Bool,
    _ output: inout IpOutput
  ) {
    let options = context.options
    let name = context.namespace.devices[entry.ifindex]?.name ?? "if\(entry.ifindex)"
    output.openObject()
    if options.isBrief {
      output.field(
        "dst",
        entry.address.description,
        text: LinkPrinter.padded(entry.address.description, 40),
        colour: .address
      )
      output.field("dev", name, text: LinkPrinter.padded(name, 17), colour: .interface)
      if let mac = entry.linkAddress {
        output.field("lladdr", mac.description, text: mac.description, colour: .linkAddress)
      }
      output.text("\n")
      output.closeObject()
      return
    }
    let address = entry.address.description
    output.field("dst", address, text: address + " ", colour: .address)
    if !hidesDevice {
      output.field("dev", name, lead: "dev ", text: name + " ", colour: .interface)
    }
    if let mac = entry.linkAddress {
      output.field(
        "lladdr",
        mac.description,
        lead: "lladdr ",
        text: "\(mac) ",
        colour: .linkAddress
      )
    }
    if entry.isRouter { output.field("router", .null, text: "router ") }
    if entry.isExternallyLearned { output.field("extern_learn", .null, text: "extern_learn ") }
    if options.statistics > 0 {
      output.text(" used \(entry.used)/\(entry.confirmed)/\(entry.updated)")
      output.json("used", .number(entry.used))
      output.json("confirmed", .number(entry.confirmed))
      output.json("updated", .number(entry.updated))
      output.field("probes", .number(Int64(entry.probes)), text: "probes \(entry.probes) ")
    }
    if entry.state != .none {
      output.openArray("state")
      output.element(.string(entry.state.name), text: "\(entry.state.name) ")
      output.closeArray()
    }
    if entry.origin != 0 {
      let text = IprouteNames.text(
        RouteProtocol(rawValue: entry.origin),
        isNumeric: options.isNumeric
      )
      output.field("protocol", text, text: "proto \(text) ")
    }
    output.text("\n")
    output.closeObject()
  }

  private static func get(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    var arguments = IpArguments(words, context)
    var deviceName: String?
    var address: IPv4Address?
    var isProxy = false
    while let word = arguments.next() {
      switch word {
      case "dev": deviceName = try arguments.value()
      case "proxy":
        isProxy = true
        address = try arguments.address(isInet: false)
      default:
        if address != nil { throw arguments.garbage("to", word) }
        let text = word == "to" ? try arguments.value() : word
        guard let found = IPv4Address.leadingOctets(text) else {
          throw arguments.fail(
            "Error: any valid address is expected rather than \"\(text)\".\n",
            1
          )
        }
        address = found
      }
    }
    guard let deviceName, let address else {
      context.printError("Device and address are required arguments.\n")
      return 1
    }
    guard let device = context.namespace.devices[deviceName] else {
      return context.noDevice(deviceName)
    }
    if isProxy {
      let found = context.namespace.neighbourProxies.contains {
        $0.address == address && $0.ifindex == device.ifindex
      }
      guard found else {
        return context.answer("", message: "Proxy neighbour entry not found")
      }
      context.print("\(address) dev \(device.name) proxy \n")
      return 0
    }
    guard let entry = context.namespace.neighbour(address, on: device) else {
      return context.answer("", message: "Neighbour entry not found")
    }
    var output = context.makeOutput()
    print(entry, context, false, &output)
    context.print(output)
    return 0
  }

  // MARK: Flush

  private static func flush(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    guard !words.isEmpty else {
      context.printError("Flush requires arguments.\n")
      return 1
    }
    let filter = try readFilter(context, words)
    // What was set for good stays, unless its state is named.
    let states =
      filter.states ?? ~(NeighbourState.permanent.rawValue | NeighbourState.noARP.rawValue)
    let namespace = context.namespace
    var rounds = 0
    while rounds < 10 {
      let doomed = namespace.neighbours.filter {
        filter.matches($0, namespace)
          && (states & $0.state.rawValue != 0 || $0.isExternallyLearned)
          && !($0.state == .failed && rounds > 0)
      }
      if doomed.isEmpty { break }
      rounds += 1
      for entry in doomed {
        guard let device = namespace.devices[entry.ifindex] else { continue }
        try? namespace.removeNeighbour(entry.address, on: device)
      }
      if context.options.statistics > 0 {
        context.print("\n*** Round \(rounds), deleting \(doomed.count) entries ***\n")
      }
    }
    if context.options.statistics > 0 {
      context.print(
        rounds == 0
          ? "Nothing to flush.\n"
          : "*** Flush is complete after \(rounds) round\(rounds > 1 ? "s" : "") ***\n"
      )
    }
    return 0
  }
}

extension IpObject {
  /// `ip neighbour`, and the American spelling.
  static let neighbour = IpObject("neighbour") { context, words throws(ProcessExit) in
    try IpNeighbour.run(context, words)
  }
  static let neighbor = IpObject("neighbor") { context, words throws(ProcessExit) in
    try IpNeighbour.run(context, words)
  }
}
