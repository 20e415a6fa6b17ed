import HopyardSimulator
import HopyardWire

/// `bridge mdb`.
enum BridgeMDB {
  static func run(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    guard let verb = words.first else { return try show(context, []) }
    let rest = Array(words.dropFirst())
    func isVerb(_ full: String) -> Bool { IpOptions.matches(verb, full) }
    if isVerb("add") { return try modify(context, rest, adding: true) }
    if isVerb("delete") { return try modify(context, rest, adding: false) }
    if isVerb("show") || isVerb("lst") || isVerb("list") { return try show(context, rest) }
    if isVerb("help") {
      context.printError(BridgeUsage.mdb)
      return 255
    }
    context.printError("Command \"\(verb)\" is unknown, try \"bridge mdb help\".\n")
    return 255
  }

  private static func show(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    var arguments = IpArguments(words, context)
    var only: NetworkDevice?
    while let word = arguments.next() {
      guard word == "dev" else { continue }
      let name = try arguments.value()
      guard let device = context.namespace.devices[name] else {
        return context.noBridgeDevice(name)
      }
      only = device
    }
    var output = context.makeOutput()
    output.openObject()
    output.openArray("mdb")
    for device in context.namespace.devices.all {
      guard let bridge = device as? BridgeDevice, bridge.multicast.isEnabled else { continue }
      if let only, only !== bridge { continue }
      for member in bridge.multicastMembers { print(member, bridge, context, &output) }
    }
    output.closeArray()
    output.openObject("router")
    output.closeObject()
    output.closeObject()
    context.print(output)
    return 0
  }

  private static func print(
    _ member: MulticastSnooping.Member,
    _ bridge: BridgeDevice,
    _ context: IpContext,
    _ output: inout IpOutput
  ) {
    let port = member.port?.device.name ?? bridge.name
    output.openObject()
    output.json("index", .number(Int64(bridge.ifindex)))
    output.field("dev", bridge.name, text: "dev \(bridge.name)")
    output.field("port", port, text: " port \(port)")
    output.field("grp", member.group.description, text: " grp \(member.group)")
    let state = member.isPermanent ? "permanent" : "temp"
    output.field("state", state, text: " \(state)")
    output.openArray("flags")
    output.closeArray()
    if context.options.details > 0, member.port != nil {
      let origin = member.isPermanent ? "static" : "kernel"
      output.field("protocol", origin, text: " proto \(origin) ")
    }
    if member.vlan != 0 {
      output.field("vid", .number(Int64(member.vlan)), text: " vid \(member.vlan)")
    }
    if context.options.statistics > 0 {
      let left =
        member.isPermanent ? 0 : max(0, member.expires - bridge.simulation.now) / 10_000_000
      let text = "\(left / 100).\(left % 100 < 10 ? "0" : "")\(left % 100)"
      output.field(
        "timer",
        text,
        text: String(repeating: " ", count: max(0, 8 - text.count)) + text
      )
    }
    output.text("\n")
    output.closeObject()
  }

  private static func modify(
    _ context: IpContext,
    _ words: [String],
    adding: Bool
  ) throws(ProcessExit) -> Int32 {
    var arguments = IpArguments(words, context)
    var deviceName: String?
    var portName: String?
    var group: String?
    var isPermanent = false
    var vlan: UInt16 = 0
    while let word = arguments.next() {
      switch word {
      case "dev": deviceName = try arguments.value()
      case "port": portName = try arguments.value()
      case "grp": group = try arguments.value()
      case "src": throw .refused("bridge mdb … src is not modelled")
      case "permanent": isPermanent = true
      case "temp": isPermanent = false
      case "vid":
        let text = try arguments.value()
        vlan = UInt16(text) ?? 0
      default:
        if IpOptions.matches(word, "help") {
          context.printError(BridgeUsage.mdb)
          return 255
        }
      }
    }
    guard let deviceName, let portName, let group else {
      context.printError("Device, group address and port name are required arguments.\n")
      return 255
    }
    let namespace = context.namespace
    guard let device = namespace.devices[deviceName] else {
      return context.noBridgeDevice(deviceName)
    }
    guard let portDevice = namespace.devices[portName] else {
      return context.noBridgeDevice(portName)
    }
    if let value = IPv4Address(group)?.rawValue, value >> 8 == 0xe0_0000 {
      return context.bridgeAnswer(
        LinkError(.invalidArgument, "IPv4 entry group address is local multicast")
      )
    }
    if group.contains(":") { throw .refused("IPv6 is not modelled") }
    guard let address = IPv4Address(group) else {
      context.printError("Invalid address \"\(group)\"\n")
      return 255
    }
    guard let bridge = device as? BridgeDevice else {
      return context.bridgeAnswer(LinkError(.notSupported))
    }
    guard let port = bridge.port(of: portDevice) else {
      return context.bridgeAnswer(LinkError(.invalidArgument))
    }
    guard address.isMulticast else {
      return context.bridgeAnswer(
        LinkError(
          .invalidArgument,
          "IPv4 entry group address is not multicast or 0.0.0.0"
        )
      )
    }
    if adding, bridge[.multicastSnooping] == 0 {
      return context.bridgeAnswer(
        LinkError(.invalidArgument, "bridge: Bridge's multicast processing is disabled")
      )
    }
    if adding && !isPermanent && port.state == .disabled {
      return context.bridgeAnswer(
        LinkError(
          .invalidArgument,
          "bridge: Port is in disabled state and entry is not permanent"
        )
      )
    }
    do {
      if adding {
        try bridge.addMember(address, vlan: vlan, port: port, isPermanent: isPermanent)
      } else {
        try bridge.removeMember(address, vlan: vlan, port: port)
      }
      return 0
    } catch {
      return context.bridgeAnswer(error)
    }
  }
}
