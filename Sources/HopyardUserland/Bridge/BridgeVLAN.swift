import HopyardSimulator

/// `bridge vlan`.
enum BridgeVLAN {
  static func run(
    _ context: IpContext,
    _ words: [String],
    compresses: Bool
  ) throws(ProcessExit) -> Int32 {
    guard let verb = words.first else {
      return try show(context, [], compresses: compresses)
    }
    let rest = Array(words.dropFirst())
    func isVerb(_ full: String) -> Bool { IpOptions.matches(verb, full) }
    if isVerb("add") { return try modify(context, rest, adding: true) }
    if isVerb("delete") { return try modify(context, rest, adding: false) }
    if isVerb("show") || isVerb("lst") || isVerb("list") {
      return try show(context, rest, compresses: compresses)
    }
    if isVerb("tunnelshow") || isVerb("set") || isVerb("global") {
      throw .refused("bridge vlan \(verb) is not modelled")
    }
    if isVerb("help") {
      context.printError(BridgeUsage.vlan)
      return 255
    }
    context.printError("Command \"\(verb)\" is unknown, try \"bridge vlan help\".\n")
    return 255
  }

  // MARK: Show

  private static func show(
    _ context: IpContext,
    _ words: [String],
    compresses: Bool
  ) throws(ProcessExit) -> Int32 {
    var arguments = IpArguments(words, context)
    var only: NetworkDevice?
    var identifier: UInt16?
    while let word = arguments.next() {
      switch word {
      case "dev":
        let name = try arguments.value()
        guard let device = context.namespace.devices[name] else {
          return context.noBridgeDevice(name)
        }
        only = device
      case "vid":
        let text = try arguments.value()
        identifier = UInt16(text) ?? 0
      default: break
      }
    }
    var output = context.makeOutput()
    let showsStatistics = context.options.statistics > 0
    output.text("port              vlan-id\(showsStatistics ? "" : "  ")\n")
    for device in context.namespace.devices.all {
      if let only, only !== device { continue }
      let vlans: BridgeVLANs
      if let bridge = device as? BridgeDevice {
        vlans = bridge.ownVLANs
      } else if let port = device.bridgePort {
        vlans = port.vlans
      } else {
        continue
      }
      let rows = rows(vlans, compresses: compresses).filter {
        identifier.map($0.range.contains) ?? true
      }
      guard !rows.isEmpty else { continue }
      output.openObject()
      output.field("ifname", device.name, text: LinkPrinter.padded(device.name, 16) + "  ")
      output.openArray("vlans")
      for (index, row) in rows.enumerated() {
        if index > 0 { output.text(String(repeating: " ", count: 18)) }
        print(row, &output)
      }
      output.closeArray()
      output.closeObject()
    }
    context.print(output)
    return 0
  }

  private struct Row {
    var range: ClosedRange<UInt16>
    var isPVID: Bool
    var isUntagged: Bool
  }

  private static func rows(_ vlans: BridgeVLANs, compresses: Bool) -> [Row] {
    var rows: [Row] = []
    for member in vlans.members {
      let isPVID = member.identifier == vlans.pvid
      if compresses, let last = rows.last, last.range.upperBound + 1 == member.identifier,
        last.isUntagged == member.isUntagged, !last.isPVID, !isPVID
      {
        rows[rows.count - 1].range = last.range.lowerBound...member.identifier
      } else {
        rows.append(
          Row(
            range: member.identifier...member.identifier,
            isPVID: isPVID,
            isUntagged: member.isUntagged
          )
        )
      }
    }
    return rows
  }

  private static func print(_ row: Row, _ output: inout IpOutput) {
    let first = row.range.lowerBound
    let last = row.range.upperBound
    output.openObject()
    output.field("vlan", .number(Int64(first)), text: "\(first)")
    if last > first { output.field("vlanEnd", .number(Int64(last)), text: "-\(last)") }
    if row.isPVID || row.isUntagged {
      output.openArray("flags")
      if row.isPVID { output.element(.string("PVID"), text: " PVID") }
      if row.isUntagged { output.element(.string("Egress Untagged"), text: " Egress Untagged") }
      output.closeArray()
    }
    output.text("\n")
    output.closeObject()
  }

  // MARK: Changes

  private static func modify(
    _ context: IpContext,
    _ words: [String],
    adding: Bool
  ) throws(ProcessExit) -> Int32 {
    var arguments = IpArguments(words, context)
    var deviceName: String?
    var range: ClosedRange<UInt16>?
    var isSelf = false
    var isPVID = false
    var isUntagged = false
    while let word = arguments.next() {
      switch word {
      case "dev": deviceName = try arguments.value()
      case "vid":
        let text = try arguments.value()
        let halves = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let first = leadingNumber(halves.first ?? "")
        let last = halves.count > 1 ? leadingNumber(halves[1]) : first
        guard halves.count == 1 || first < last else {
          context.printError("Invalid VLAN range \"\(text)\"\n")
          return 255
        }
        range = first...last
      case "self": isSelf = true
      case "master": break
      case "pvid": isPVID = true
      case "untagged": isUntagged = true
      case "tunnel_info": throw .refused("bridge vlan … tunnel_info is not modelled")
      default:
        if IpOptions.matches(word, "help") {
          context.printError(BridgeUsage.vlan)
          return 255
        }
        context.printError("Error: argument \"\(word)\" is wrong: unknown argument\n")
        return 255
      }
    }
    guard let deviceName, let range else {
      context.printError("Device and VLAN ID are required arguments.\n")
      return 255
    }
    if isPVID, range.count > 1 {
      context.printError("pvid cannot be configured for a vlan range\n")
      return 255
    }
    guard let device = context.namespace.devices[deviceName] else {
      context.printError("Cannot find bridge device \"\(deviceName)\"\n")
      return 255
    }
    let bridge: BridgeDevice
    let port: BridgePort?
    if isSelf, let own = device as? BridgeDevice {
      bridge = own
      port = nil
    } else if !isSelf, let own = device.bridgePort {
      bridge = own.bridge
      port = own
    } else {
      return context.bridgeAnswer(LinkError(.notSupported))
    }
    do {
      if adding {
        try bridge.addVLANs(range, untagged: isUntagged, pvid: isPVID, to: port)
      } else {
        try bridge.removeVLANs(range, from: port)
      }
      return 0
    } catch {
      return context.bridgeAnswer(error)
    }
  }

  /// The number with which a text begins, as atoi(3) reads it.
  private static func leadingNumber(_ text: Substring) -> UInt16 {
    UInt16(clamping: Int(text.prefix { $0.isASCII && $0.isNumber }) ?? 0)
  }
}
