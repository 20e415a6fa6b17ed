import HopyardSimulator
import HopyardWire

/// `ip tunnel`, for IPv4-in-IPv4.
enum IpTunnel {
  static let usage = """
    Usage: ip tunnel { add | change | del | show | prl | 6rd } [ NAME ]
            [ mode { gre | ipip | isatap | sit | vti } ]
            [ remote ADDR ] [ local ADDR ]
            [ [i|o]seq ] [ [i|o]key KEY ] [ [i|o]csum ]
            [ prl-default ADDR ] [ prl-nodefault ADDR ] [ prl-delete ADDR ]
            [ 6rd-prefix ADDR ] [ 6rd-relay_prefix ADDR ] [ 6rd-reset ]
            [ ttl TTL ] [ tos TOS ] [ [no]pmtudisc ] [ dev PHYS_DEV ]

    Where: NAME := STRING
           ADDR := { IP_ADDRESS | any }
           TOS  := { STRING | 00..ff | inherit | inherit/STRING | inherit/00..ff }
           TTL  := { 1..255 | inherit }
           KEY  := { DOTTED_QUAD | NUMBER }

    """

  static func run(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    guard let verb = words.first else { return show(context, []) }
    let rest = Array(words.dropFirst())
    func isVerb(_ full: String) -> Bool { IpOptions.matches(verb, full) }
    if isVerb("add") { return try change(context, rest, adding: true) }
    if isVerb("change") { return try change(context, rest, adding: false) }
    if isVerb("delete") { return try delete(context, rest) }
    if isVerb("show") || isVerb("lst") || isVerb("list") { return show(context, rest) }
    if isVerb("prl") || verb == "6rd" { throw .refused("ip tunnel \(verb) is not modelled") }
    if isVerb("help") {
      context.printError(usage)
      return 255
    }
    context.printError("Command \"\(verb)\" is unknown, try \"ip tunnel help\".\n")
    return 255
  }

  /// Finds what is not modelled before anything runs.
  static func check(_ words: [String?], _ options: IpOptions) -> (index: Int, message: String)? {
    for (index, word) in words.enumerated() where word == "mode" {
      guard index + 1 < words.count, let mode = words[index + 1] else { return nil }
      if ["gre", "sit", "isatap", "vti", "ip6ip", "gre/ip", "ipv6/ip", "vti/ip"].contains(mode) {
        return (index + 1, "tunnels of mode \(mode) are not modelled")
      }
    }
    return nil
  }

  private struct Request {
    var name: String?
    var options = IPIPOptions()
    var hasMode = false
  }

  private static func read(
    _ words: [String],
    _ context: IpContext,
    _ request: inout Request
  ) throws(ProcessExit) {
    var arguments = IpArguments(words, context)
    func address(_ text: String) throws(ProcessExit) -> IPv4Address {
      if text == "any" || text == "default" { return .any }
      guard let address = IPv4Address(text) else {
        context.printError("Error: any valid address is expected rather than \"\(text)\".\n")
        throw .status(1)
      }
      return address
    }
    while let word = arguments.next() {
      switch word {
      case "mode":
        let mode = try arguments.value()
        guard mode == "ipip" || mode == "ip/ip" else {
          throw .refused("tunnels of mode \(mode) are not modelled")
        }
        request.hasMode = true
        request.options.isNamedMode = true
      case "remote": request.options.remote = try address(try arguments.value())
      case "local": request.options.local = try address(try arguments.value())
      case "dev":
        let name = try arguments.value()
        guard let device = context.namespace.devices[name] else {
          throw .status(context.noDevice(name))
        }
        request.options.linkIfindex = device.ifindex
      case "ttl", "hoplimit", "hlim":
        let text = try arguments.value()
        // `inherit` leaves what is there.
        if text == "inherit" { continue }
        guard let small = UInt8(text) else { throw arguments.wrong(text, "invalid TTL\n") }
        request.options.ttl = small
      case "tos", "tclass", "dsfield":
        let text = try arguments.value()
        if text == "inherit" {
          request.options.tos = 1
        } else {
          let digits = text.hasPrefix("0x") ? String(text.dropFirst(2)) : text
          guard let small = UInt8(digits, radix: 16) else {
            throw arguments.wrong(text, "bad TOS value")
          }
          request.options.tos = small
        }
      case "pmtudisc": request.options.discoversPathMTU = true
      case "nopmtudisc": request.options.discoversPathMTU = false
      case "key", "ikey", "okey", "seq", "iseq", "oseq", "csum", "icsum", "ocsum":
        context.printError("Keys are not allowed with ipip and sit tunnels\n")
        throw .status(255)
      default:
        let name = word == "name" ? try arguments.value() : word
        if let known = request.name { throw arguments.garbage("name", known) }
        request.name = name
      }
    }
    if request.options.ttl != 0 && !request.options.discoversPathMTU {
      context.printError("ttl != 0 and nopmtudisc are incompatible\n")
      throw .status(1)
    }
  }

  private static func change(
    _ context: IpContext,
    _ words: [String],
    adding: Bool
  ) throws(ProcessExit) -> Int32 {
    var request = Request()
    let namespace = context.namespace
    if !adding, let name = words.first(where: { namespace.devices[$0] is IPIPDevice }),
      let device = namespace.devices[name] as? IPIPDevice
    {
      request.options = device.options
    }
    try read(words, context, &request)
    if adding && !request.hasMode {
      context.printError("cannot determine tunnel mode (ipip, gre, vti or sit)\n")
      return 255
    }
    if adding { namespace.machine.loadIPIP() }
    let verb = adding ? "add" : "change"
    let name = request.name ?? "tunl0"
    func failed(_ error: LinkErrno) -> Int32 {
      context.printError("\(verb) tunnel \"\(name)\" failed: \(error.description)\n")
      return 1
    }
    do {
      if adding {
        guard namespace.devices[name] == nil else { return failed(.fileExists) }
        try namespace.makeIPIP(NewLink(request.name), request.options)
      } else {
        guard let device = namespace.devices[name] as? IPIPDevice else {
          return failed(.noSuchDevice)
        }
        if device.isFallback { return 0 }
        try namespace.setIPIP(device, request.options)
      }
      return 0
    } catch {
      return failed(error.errno)
    }
  }

  private static func delete(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    var request = Request()
    try read(words, context, &request)
    guard let name = request.name else {
      context.printError("Tunnel device name is required\n")
      return 255
    }
    guard let device = context.namespace.devices[name] as? IPIPDevice else {
      context.printError("delete tunnel \"\(name)\" failed: No such device\n")
      return 1
    }
    if device.isFallback {
      context.printError("delete tunnel \"\(name)\" failed: Operation not permitted\n")
      return 1
    }
    do {
      try context.namespace.removeLink(device)
      return 0
    } catch {
      return context.answer(error)
    }
  }

  private static func show(_ context: IpContext, _ words: [String]) -> Int32 {
    let name = words.first { !["mode", "ipip", "name"].contains($0) }
    var text = ""
    for device in context.namespace.devices.all {
      guard let tunnel = device as? IPIPDevice, name == nil || tunnel.name == name else { continue }
      text += line(tunnel, context.namespace)
    }
    context.print(text)
    return 0
  }

  private static func line(_ tunnel: IPIPDevice, _ namespace: NetworkNamespace) -> String {
    let options = tunnel.options
    func end(_ address: IPv4Address) -> String { address == .any ? "any" : address.description }
    var text = "\(tunnel.name): \(options.isNamedMode ? "ip" : "any")/ip"
    text += " remote \(end(options.remote)) local \(end(options.local))"
    if options.linkIfindex != 0 {
      text += " dev \(namespace.devices[options.linkIfindex]?.name ?? "if\(options.linkIfindex)")"
    }
    text += options.ttl == 0 ? " ttl inherit" : " ttl \(options.ttl)"
    if options.tos == 1 {
      text += " tos inherit"
    } else if options.tos != 0 {
      text += " tos 0x" + String(options.tos, radix: 16)
    }
    if !options.discoversPathMTU { text += " nopmtudisc" }
    return text + "\n"
  }
}

extension IpObject {
  /// `ip tunnel`.
  static let tunnel = IpObject("tunnel", check: { IpTunnel.check($0, $1) }) {
    context,
    words throws(ProcessExit) in
    try IpTunnel.run(context, words)
  }
}
