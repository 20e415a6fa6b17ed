import HopyardSimulator

/// `bridge link`.
enum BridgeLink {
  static func run(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    guard let verb = words.first else { return try show(context, []) }
    let rest = Array(words.dropFirst())
    func isVerb(_ full: String) -> Bool { IpOptions.matches(verb, full) }
    if isVerb("set") || isVerb("change") { return try set(context, rest) }
    if isVerb("show") || isVerb("lst") || isVerb("list") { return try show(context, rest) }
    if isVerb("help") {
      context.printError(BridgeUsage.link)
      return 255
    }
    context.printError("Command \"\(verb)\" is unknown, try \"bridge link help\".\n")
    return 255
  }

  // MARK: Show

  private static func show(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    var arguments = IpArguments(words, context)
    var only: NetworkDevice?
    var master: NetworkDevice?
    while let word = arguments.next() {
      guard word == "dev" || word == "master" else { continue }
      let name = try arguments.value()
      guard let device = context.namespace.devices[name] else {
        return context.noBridgeDevice(name)
      }
      if word == "dev" { only = device } else { master = device }
    }
    var output = context.makeOutput()
    for device in context.namespace.devices.all {
      guard let port = device.bridgePort else { continue }
      if let only, only !== device { continue }
      if let master, port.bridge !== master { continue }
      output.openObject()
      print(port, context, &output)
      output.closeObject()
    }
    context.print(output)
    return 0
  }

  /// The link as `bridge link` names it: by an index that it looks up in its own namespace, be the
  /// other end there or not.
  private static func link(of device: NetworkDevice, _ context: IpContext) -> LinkPrinter.Link {
    guard let lower = device.lower, lower.ifindex != device.ifindex else { return .none }
    guard let found = context.namespace.devices[lower.ifindex] else {
      return .here(name: "if\(lower.ifindex)", isDown: false)
    }
    return .here(name: found.name, isDown: !found.isUp)
  }

  private static func print(
    _ port: BridgePort,
    _ context: IpContext,
    _ output: inout IpOutput
  ) {
    let device = port.device
    let link = link(of: device, context)
    let printer = LinkPrinter(
      namespace: context.namespace,
      options: context.options,
      isLink: true
    )
    output.field("ifindex", .number(Int64(device.ifindex)), text: "\(device.ifindex): ")
    printer.printNameAndLink(device, link, format: { "\($0): " }, &output)
    LinkPrinter.printFlags(LinkPrinter.flags(of: device, link), &output)
    output.field("mtu", .number(Int64(device.mtu)), text: "mtu \(device.mtu) ")
    output.field("master", port.bridge.name, text: "master \(port.bridge.name) ")
    output.field("state", port.state.name, text: "state \(port.state.name) ")
    output.field("priority", .number(Int64(port.priority)), text: "priority \(port.priority) ")
    output.field("cost", .number(Int64(port.cost)), text: "cost \(port.cost) ")
    if context.options.details > 0 {
      output.text(context.options.lineEnd + "    ")
      func flag(_ name: String, _ flag: BridgePortFlags) {
        let isOn = port.flags.contains(flag)
        output.field(name, .bool(isOn), text: "\(name) \(isOn ? "on" : "off") ")
      }
      flag("hairpin", .hairpin)
      flag("guard", .bpduGuard)
      flag("root_block", .rootBlock)
      flag("fastleave", .fastLeave)
      flag("learning", .learning)
      flag("flood", .flood)
      flag("mcast_flood", .multicastFlood)
      flag("bcast_flood", .broadcastFlood)
      output.field(
        "mcast_router",
        .number(Int64(port.multicastRouter)),
        text: "mcast_router \(port.multicastRouter) "
      )
      flag("mcast_to_unicast", .multicastToUnicast)
      flag("neigh_suppress", .neighbourSuppress)
      flag("vlan_tunnel", .vlanTunnel)
      flag("isolated", .isolated)
      flag("locked", .locked)
    }
    output.text("\n")
  }

  // MARK: Set

  private static func set(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    var arguments = IpArguments(words, context)
    var name: String?
    var changes: [(option: BridgePortOption, value: UInt64)] = []
    while let word = arguments.next() {
      switch word {
      case "dev": name = try arguments.value()
      case "self": return selfIsNotSupported(context)
      case "master", "nobackup_port": continue
      case "hwmode", "backup_port", "learning_sync":
        throw .refused("bridge link set … \(word) is not modelled")
      case "cost", "priority", "mcast_router":
        let text = try arguments.value()
        let number = UInt64(text) ?? 0
        changes.append(
          (word == "cost" ? .cost : word == "priority" ? .priority : .multicastRouter, number)
        )
      case "state":
        let text = try arguments.value()
        let names: [BridgePortState] = [
          .disabled, .listening, .learning, .forwarding, .blocking,
        ]
        if let known = names.first(where: { $0.name == text.lowercased() }) {
          changes.append((.state, UInt64(known.rawValue)))
        } else if let number = UInt64(text) {
          changes.append((.state, number))
        } else {
          context.printError("Error: invalid STP port state\n")
          return 255
        }
      default:
        guard let option = BridgePortOption(rawValue: word), option.flag != nil else {
          context.printError(BridgeUsage.link)
          return 255
        }
        let text = try arguments.value()
        switch text {
        case "on": changes.append((option, 1))
        case "off": changes.append((option, 0))
        default:
          context.printError(
            "Error: argument of \"\(word)\" must be one of \"off\", \"on\", not \"\(text)\"\n"
          )
          return 234
        }
      }
    }
    guard let name else {
      context.printError("Device is a required argument.\n")
      return 255
    }
    guard let device = context.namespace.devices[name] else {
      context.printError("Cannot find bridge device \"\(name)\"\n")
      return 255
    }
    guard let port = device.bridgePort else {
      return context.bridgeAnswer(LinkError(.notSupported))
    }
    do {
      for change in changes { try port.set(change.option, to: change.value) }
      return 0
    } catch {
      return context.bridgeAnswer(error)
    }
  }

  private static func selfIsNotSupported(_ context: IpContext) -> Int32 {
    context.bridgeAnswer(LinkError(.notSupported))
  }
}
