import HopyardSimulator
import HopyardWire

/// VXLAN and IPIP as `ip link` makes and changes them.
extension LinkKind {
  // MARK: VXLAN

  static func makeVXLAN(
    _ request: LinkRequest,
    _ namespace: NetworkNamespace,
    _ context: IpContext
  ) throws(Failure) -> NetworkDevice {
    var options = VXLANOptions(vni: 0)
    let hasIdentifier = try readVXLAN(request.typeArguments, &options, context, in: namespace)
    guard hasIdentifier else {
      context.printError("vxlan: missing virtual network identifier\n")
      throw .exit(.status(1))
    }
    return try caught { () throws(LinkError) in
      try namespace.makeVXLAN(request.newLink, options)
    }
  }

  /// Reads the words behind `type vxlan`; true if `id` is among them.
  static func readVXLAN(
    _ words: [String],
    _ options: inout VXLANOptions,
    _ context: IpContext,
    in namespace: NetworkNamespace,
    isNew: Bool = true
  ) throws(Failure) -> Bool {
    var arguments = IpArguments(words, context)
    var hasIdentifier = false
    var hasPort = false
    func value() throws(Failure) -> String {
      try read { () throws(ProcessExit) in try arguments.value() }
    }
    func number(_ wrong: String, _ limit: Int64) throws(Failure) -> Int64 {
      let text = try value()
      guard let number = LinkRequest.number(text), number >= 0, number <= limit else {
        throw .exit(arguments.wrong(text, wrong))
      }
      return number
    }
    func address(_ word: String) throws(Failure) -> IPv4Address {
      let text = try value()
      if text == "any" || text == "default" { return .any }
      if text.contains(":") {
        throw .exit(.refused("VXLAN over IPv6 is not modelled"))
      }
      guard let address = IPv4Address(text) else {
        context.printError("Error: inet prefix is expected rather than \"\(text)\".\n")
        throw .exit(.status(1))
      }
      return address
    }
    while let word = arguments.next() {
      switch word {
      case "id", "vni":
        options.vni = UInt32(try number("invalid id", 0xff_ffff))
        hasIdentifier = true
      case "group":
        let group = try address("group")
        guard group.isMulticast else {
          throw .exit(arguments.wrong("\(group)", "invalid group address"))
        }
        options.remote = group
      case "remote":
        let remote = try address("remote")
        guard !remote.isMulticast else {
          throw .exit(arguments.wrong("\(remote)", "invalid remote address"))
        }
        options.remote = remote
      case "local": options.local = try address("local")
      case "dev":
        let name = try value()
        guard let device = namespace.devices[name] else {
          throw .exit(.status(context.noDevice(name)))
        }
        options.linkIfindex = device.ifindex
      case "ttl", "hoplimit":
        let text = try value()
        options.inheritsTTL = text == "inherit"
        if text == "inherit" || text == "auto" {
          options.ttl = 0
        } else if let small = UInt8(text) {
          options.ttl = small
        } else {
          throw .exit(arguments.wrong(text, "invalid TTL"))
        }
      case "tos", "dsfield":
        let text = try value()
        if text == "inherit" {
          options.tos = 1
        } else if let number = LinkRequest.number(text.hasPrefix("0x") ? text : "0x" + text),
          let small = UInt8(exactly: number)
        {
          options.tos = small
        } else {
          throw .exit(arguments.wrong(text, "bad TOS value"))
        }
      case "df":
        switch try value() {
        case "unset": options.dontFragment = .unset
        case "set": options.dontFragment = .set
        case "inherit": options.dontFragment = .inherit
        case let text: throw .exit(arguments.wrong(text, "DF must be 'unset', 'set' or 'inherit'"))
        }
      case "ageing":
        let text = try value()
        if text == "none" {
          options.ageing = 0
        } else if let seconds = UInt32(text) {
          options.ageing = seconds
        } else {
          throw .exit(arguments.wrong(text, "ageing timer"))
        }
      case "maxaddress":
        let text = try value()
        guard text == "unlimited" || UInt32(text) != nil else {
          throw .exit(arguments.wrong(text, "max addresses"))
        }
        options.maximumAddresses = UInt32(text) ?? 0
      case "port", "srcport":
        let low = try number("min port", 65_535)
        let high = try number("max port", 65_535)
        options.sourcePorts = (UInt16(low), UInt16(high))
      case "dstport":
        options.port = UInt16(try number("dst port", 65_535))
        hasPort = true
      case "learning": options.learns = true
      case "nolearning": options.learns = false
      case "proxy": options.isProxy = true
      case "noproxy": options.isProxy = false
      case "rsc": throw .exit(.refused("vxlan … rsc is not modelled"))
      case "norsc": options.isShortCircuit = false
      case "l2miss": options.reportsL2Misses = true
      case "nol2miss": options.reportsL2Misses = false
      case "l3miss": options.reportsL3Misses = true
      case "nol3miss": options.reportsL3Misses = false
      case "udpcsum": options.makesChecksum = true
      case "noudpcsum": options.makesChecksum = false
      case "udp6zerocsumtx", "noudp6zerocsumtx", "udp6zerocsumrx", "noudp6zerocsumrx",
        "noexternal", "noremcsumtx", "noremcsumrx", "nolocalbypass", "localbypass":
        if word == "nolocalbypass" { throw .exit(.refused("vxlan … \(word) is not modelled")) }
      case "external", "remcsumtx", "remcsumrx", "gbp", "gpe", "flowlabel", "label", "vnifilter":
        throw .exit(.refused("vxlan … \(word) is not modelled"))
      default:
        throw unknown("vxlan", word, context)
      }
    }
    if isNew, hasIdentifier, !hasPort {
      context.printError(
        "vxlan: destination port not specified\n"
          + "Will use Linux kernel default (non-standard value)\n"
          + "Use 'dstport 4789' to get the IANA assigned value\n"
          + "Use 'dstport 0' to get default and quiet this message\n"
      )
    }
    if hasPort && options.port == 0 { options.port = 8472 }
    return hasIdentifier
  }

  static func changeVXLAN(
    _ device: VXLANDevice,
    _ words: [String],
    _ context: IpContext
  ) throws(Failure) {
    var options = device.options
    let old = options
    guard let namespace = device.underlayNamespace else { return }
    _ = try readVXLAN(words, &options, context, in: namespace, isNew: false)
    guard old.vni == options.vni, old.port == options.port else {
      throw .link(LinkError(.notSupported, "Cannot change VNI"))
    }
    device.change(options)
  }

  // MARK: IPIP

  static func makeIPIP(
    _ request: LinkRequest,
    _ namespace: NetworkNamespace,
    _ context: IpContext
  ) throws(Failure) -> NetworkDevice {
    var options = IPIPOptions()
    try readIPIP(request.typeArguments, &options, context, in: namespace)
    return try caught { () throws(LinkError) in try namespace.makeIPIP(request.newLink, options) }
  }

  static func changeIPIP(
    _ device: IPIPDevice,
    _ words: [String],
    _ context: IpContext
  ) throws(Failure) {
    var options = device.options
    guard let namespace = device.namespace else { return }
    try readIPIP(words, &options, context, in: namespace)
    try caught { () throws(LinkError) in try namespace.setIPIP(device, options) }
  }

  /// Reads the words behind `type ipip`.
  static func readIPIP(
    _ words: [String],
    _ options: inout IPIPOptions,
    _ context: IpContext,
    in namespace: NetworkNamespace
  ) throws(Failure) {
    var arguments = IpArguments(words, context)
    func value() throws(Failure) -> String {
      try read { () throws(ProcessExit) in try arguments.value() }
    }
    func address() throws(Failure) -> IPv4Address {
      let text = try value()
      if text == "any" || text == "default" { return .any }
      guard let address = IPv4Address(text) else {
        context.printError("Error: inet address is expected rather than \"\(text)\".\n")
        throw .exit(.status(1))
      }
      return address
    }
    while let word = arguments.next() {
      switch word {
      case "remote": options.remote = try address()
      case "local": options.local = try address()
      case "dev":
        let name = try value()
        guard let device = namespace.devices[name] else {
          throw .exit(.status(context.noDevice(name)))
        }
        options.linkIfindex = device.ifindex
      case "ttl", "hoplimit", "hlim":
        let text = try value()
        if text == "inherit" {
          options.ttl = 0
        } else if let small = UInt8(text) {
          options.ttl = small
        } else {
          throw .exit(arguments.wrong(text, "invalid TTL\n"))
        }
      case "tos", "tclass", "tc", "dsfield":
        let text = try value()
        if text == "inherit" {
          options.tos = 1
        } else if let small = UInt8(
          text.hasPrefix("0x") ? String(text.dropFirst(2)) : text,
          radix: 16
        ) {
          options.tos = small
        } else {
          throw .exit(arguments.wrong(text, "\"dsfield\" value is invalid\n"))
        }
      case "pmtudisc": options.discoversPathMTU = true
      case "nopmtudisc": options.discoversPathMTU = false
      case "mode":
        let text = try value()
        switch text {
        case "ipip", "ip4ip4", "ipv4/ipv4", "ip4/ip4": options.isNamedMode = true
        case "any", "any/ipv4", "any/ip4": options.isNamedMode = false
        case "mplsip", "mpls/ipv4", "mpls/ip4":
          throw .exit(.refused("MPLS over IPv4 is not modelled"))
        default:
          context.printError("Cannot guess tunnel mode.\n")
          throw .exit(.status(255))
        }
      case "external", "fwmark", "encap", "noencap", "encap-sport", "encap-dport", "ignore-df":
        throw .exit(.refused("ipip … \(word) is not modelled"))
      default:
        throw unknown("ipip", word, context)
      }
    }
  }
}

extension LinkDetailsPrinter {
  func print(_ vxlan: VXLANDevice, _ output: inout IpOutput) {
    let options = vxlan.options
    func name(_ ifindex: Int32) -> String {
      vxlan.underlayNamespace?.devices[ifindex]?.name ?? "if\(ifindex)"
    }
    output.field("id", .unsigned(UInt64(options.vni)), text: "id \(options.vni) ")
    if options.remote != .any {
      let word = options.remote.isMulticast ? "group" : "remote"
      output.field(word, options.remote.description, text: "\(word) \(options.remote) ")
    }
    if options.local != .any {
      output.field("local", options.local.description, text: "local \(options.local) ")
    }
    if options.linkIfindex != 0 {
      let link = name(options.linkIfindex)
      output.field("link", link, text: "dev \(link) ")
    }
    output.openObject("port_range")
    output.json("low", .number(Int64(options.sourcePorts.low)))
    output.json("high", .number(Int64(options.sourcePorts.high)))
    output.closeObject()
    output.text("srcport \(options.sourcePorts.low) \(options.sourcePorts.high) ")
    output.field("port", .number(Int64(options.port)), text: "dstport \(options.port) ")
    output.json("learning", .bool(options.learns))
    if !options.learns { output.text("nolearning ") }
    func flag(_ name: String, _ on: Bool) {
      if on { output.field(name, .bool(true), text: "\(name) ") }
    }
    flag("proxy", options.isProxy)
    flag("rsc", options.isShortCircuit)
    flag("l2miss", options.reportsL2Misses)
    flag("l3miss", options.reportsL3Misses)
    if options.tos == 1 {
      output.field("tos", "inherit", text: "tos inherit ")
    } else if options.tos != 0 {
      let text = "0x" + String(options.tos, radix: 16)
      output.field("tos", text, text: "tos \(text) ")
    }
    if options.inheritsTTL {
      output.field("ttl", "inherit", text: "ttl inherit ")
    } else if options.ttl != 0 {
      output.field("ttl", .number(Int64(options.ttl)), text: "ttl \(options.ttl) ")
    } else {
      output.field("ttl", .number(0), text: "ttl auto ")
    }
    switch options.dontFragment {
    case .unset: output.json("df", .string("unset"))
    case .set: output.field("df", "set", text: "df set ")
    case .inherit: output.field("df", "inherit", text: "df inherit ")
    }
    if options.ageing == 0 {
      output.field("ageing", .number(0), text: "ageing none ")
    } else {
      output.field("ageing", .unsigned(UInt64(options.ageing)), text: "ageing \(options.ageing) ")
    }
    if options.maximumAddresses != 0 {
      let limit = options.maximumAddresses
      output.field("limit", .unsigned(UInt64(limit)), text: "maxaddr \(limit) ")
    }
    output.field(
      "udp_csum",
      .bool(options.makesChecksum),
      text: options.makesChecksum ? "udpcsum " : "noudpcsum "
    )
    output.field("udp_zero_csum6_tx", .bool(false), text: "noudp6zerocsumtx ")
    output.field("udp_zero_csum6_rx", .bool(false), text: "noudp6zerocsumrx ")
  }

  func print(_ tunnel: IPIPDevice, _ output: inout IpOutput) {
    let options = tunnel.options
    func end(_ address: IPv4Address) -> String { address == .any ? "any" : address.description }
    let mode = options.isNamedMode || tunnel.isFallback ? "ipip" : "any"
    output.field("proto", mode, text: "\(mode) ")
    output.field("remote", end(options.remote), text: "remote \(end(options.remote)) ")
    output.field("local", end(options.local), text: "local \(end(options.local)) ")
    if options.linkIfindex != 0 {
      let link = tunnel.namespace?.devices[options.linkIfindex]?.name ?? "if\(options.linkIfindex)"
      output.field("link", link, text: "dev \(link) ")
    }
    if options.ttl == 0 {
      output.field("ttl", .number(0), text: "ttl inherit ")
    } else {
      output.field("ttl", .number(Int64(options.ttl)), text: "ttl \(options.ttl) ")
    }
    if options.tos == 1 {
      output.field("tos", "inherit", text: "tos inherit ")
    } else if options.tos != 0 {
      let text = "0x" + String(options.tos, radix: 16)
      output.field("tos", text, text: "tos \(text) ")
    }
    output.field(
      "pmtudisc",
      .bool(options.discoversPathMTU),
      text: options.discoversPathMTU ? "pmtudisc " : "nopmtudisc "
    )
  }
}
