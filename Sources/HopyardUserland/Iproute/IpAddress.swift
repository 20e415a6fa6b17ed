import HopyardSimulator
import HopyardWire

/// `ip address`.
enum IpAddress {
  static func run(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    guard let verb = words.first else { return try IpAddressShow.run(context, []) }
    func isVerb(_ full: String) -> Bool { IpOptions.matches(verb, full) }
    let rest = Array(words.dropFirst())
    if isVerb("add") { return try modify(context, rest, .add) }
    if isVerb("change") || verb == "chg" { return try modify(context, rest, .change) }
    if isVerb("replace") { return try modify(context, rest, .replace) }
    if isVerb("delete") { return try modify(context, rest, .delete) }
    if isVerb("show") || isVerb("list") || isVerb("lst") {
      return try IpAddressShow.run(context, rest)
    }
    if isVerb("flush") { return try IpAddressShow.flush(context, rest) }
    if isVerb("save") || isVerb("showdump") || isVerb("restore") {
      throw .refused("ip address \(verb) is not modelled")
    }
    if isVerb("help") {
      context.printError(usage)
      return 255
    }
    context.printError("Command \"\(verb)\" is unknown, try \"ip address help\".\n")
    return 255
  }

  private enum Change {
    case add
    case change
    case replace
    case delete
  }

  /// What the words of `ip address add` ask for.
  private struct Request {
    var local: IproutePrefix?
    var localText = ""
    var peer: IproutePrefix?
    var broadcast: UInt32?
    var broadcastIsLast: Bool?
    var scope: RouteScope?
    var device: String?
    var label: String?
    var metric: UInt32 = 0
    var valid = UInt32.max
    var preferred = UInt32.max
    var hasLifetime = false
    var flags: InterfaceAddressFlags = []
    var addressProtocol: UInt8 = 0
  }

  private static func read(
    _ words: [String],
    _ context: IpContext
  ) throws(ProcessExit) -> Request {
    var request = Request()
    var arguments = IpArguments(words, context)
    while let word = arguments.next() {
      func isWord(_ full: String) -> Bool { IpOptions.matches(word, full) }
      switch word {
      case "peer", "remote":
        if request.peer != nil { throw arguments.duplicate("peer", arguments.current ?? "") }
        request.peer = try arguments.prefix(isInet: context.options.family == .inet)
      case "dev": request.device = try arguments.value()
      case "label": request.label = try arguments.value()
      case "valid_lft":
        request.valid = try lifetime("valid_lft", &arguments)
        request.hasLifetime = true
      case "preferred_lft":
        request.preferred = try lifetime("preferred_lft", &arguments)
        request.hasLifetime = true
      case "home", "nodad", "mngtmpaddr":
        // These are IPv6's; IPv4 addresses do not keep them.
        context.printError("Warning: \(word) option can be set only for IPv6 addresses\n")
      case "noprefixroute": request.flags.insert(.noPrefixRoute)
      case "autojoin": request.flags.insert(.autojoin)
      case "proto":
        let text = try arguments.value()
        guard let number = IprouteNames.number(text, limit: 255) else {
          throw arguments.wrong(text, "Invalid protocol value")
        }
        request.addressProtocol = UInt8(number)
      case "brd", "broadcast":
        let text = try arguments.value()
        switch text {
        case "+": request.broadcastIsLast = true
        case "-": request.broadcastIsLast = false
        default:
          guard let address = IPv4Address.leadingOctets(text) else {
            throw arguments.fail(
              "Error: any valid address is expected rather than \"\(text)\".\n",
              1
            )
          }
          request.broadcast = address.rawValue
        }
      case "anycast": throw .refused("ip address … anycast is not modelled")
      case "scope":
        let text = try arguments.value()
        guard let scope = IprouteNames.scope(text) else {
          throw arguments.wrong(text, "invalid scope value.")
        }
        request.scope = scope
      case "metric", "priority", "preference":
        let text = try arguments.value()
        guard let number = IprouteNames.number(text) else {
          throw arguments.wrong(text, "\"metric\" value is invalid\n")
        }
        request.metric = UInt32(number)
      case "help":
        context.printError(usage)
        throw .status(255)
      default:
        let text = word == "local" ? try arguments.value() : word
        if request.local != nil { throw arguments.garbage("local", text) }
        guard let prefix = IproutePrefix(text) else {
          throw arguments.badPrefix(text, isInet: context.options.family == .inet)
        }
        request.local = prefix
        request.localText = text
      }
    }
    return request
  }

  private static func lifetime(
    _ name: String,
    _ arguments: inout IpArguments
  ) throws(ProcessExit) -> UInt32 {
    let text = try arguments.value()
    if text == "forever" { return .max }
    guard let number = IprouteNames.number(text) else {
      throw arguments.wrong(text, "\(name) value")
    }
    return UInt32(number)
  }

  private static func modify(
    _ context: IpContext,
    _ words: [String],
    _ change: Change
  ) throws(ProcessExit) -> Int32 {
    let request = try read(words, context)
    guard let name = request.device else {
      context.printError("Not enough information: \"dev\" argument is required.\n")
      return 1
    }
    if change == .delete, let local = request.local, !local.hasLength, request.peer == nil {
      context.printError(
        """
        Warning: Executing wildcard deletion to stay compatible with old scripts.
                 Explicitly specify the prefix length (\(request.localText)/32) to avoid this warning.
                 This special behaviour is likely to disappear in further releases,
                 fix your scripts!

        """
      )
    }
    let namespace = context.namespace
    guard let device = namespace.devices[name] else { return context.noDevice(name) }
    if request.hasLifetime {
      if request.valid == 0 {
        context.printError("valid_lft is zero\n")
        return 1
      }
      if request.valid < request.preferred {
        if request.preferred == .max { return context.answer("Invalid argument") }
        context.printError("preferred_lft is greater than valid_lft\n")
        return 1
      }
    }
    if change == .delete { return delete(request, device, context) }
    guard let local = request.local else {
      // Without an address there is no family, and so nobody to ask.
      return context.answer(
        context.options.family == .inet ? "Invalid argument" : "Operation not supported"
      )
    }
    let length = request.peer?.length ?? local.length
    var address = InterfaceAddress<UInt32>(
      local: local.address.rawValue,
      peer: request.peer?.address.rawValue,
      prefixLength: length,
      scope: request.scope
        ?? (local.address.rawValue >> 24 == 127 ? RouteScope.host : .universe),
      label: request.label ?? device.name,
      metric: request.metric,
      protocol: RouteProtocol(rawValue: request.addressProtocol)
    )
    address.flags.formUnion(request.flags)
    address.broadcast = request.broadcast
    if let isLast = request.broadcastIsLast, length <= 30 {
      let mask = IPv4Prefix.mask(length: length).rawValue
      address.broadcast = isLast ? address.peer | ~mask : address.peer & mask
    }
    address.validLifetime = request.valid
    address.preferredLifetime = request.preferred
    do {
      try namespace.addLinkAddress(address, to: device, replacing: change != .add)
      return 0
    } catch {
      return context.answer(error)
    }
  }

  private static func delete(
    _ request: Request,
    _ device: NetworkDevice,
    _ context: IpContext
  ) -> Int32 {
    let index = device.inet.addresses.firstIndex { address in
      if let local = request.local, address.local != local.address.rawValue { return false }
      if let label = request.label, address.label != label { return false }
      if let peer = request.peer {
        return address.prefixLength == peer.length
          && (address.peer ^ peer.address.rawValue) & peer.mask == 0
      }
      guard let local = request.local, local.hasLength else { return true }
      return address.prefixLength == local.length
        && (address.peer ^ local.address.rawValue) & local.mask == 0
    }
    guard let index else {
      return context.answer("Cannot assign requested address", message: "ipv4: Address not found")
    }
    context.namespace.removeAddress(at: index, from: device)
    return 0
  }
}

extension IpObject {
  /// `ip address`.
  static let address = IpObject("address") { context, words throws(ProcessExit) in
    try IpAddress.run(context, words)
  }
}
