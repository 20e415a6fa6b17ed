import HopyardSimulator
import HopyardWire

/// `ip maddress`.
enum IpMaddress {
  static let usage = """
    Usage: ip maddr [ add | del ] MULTIADDR dev STRING
           ip maddr show [ dev STRING ]

    """

  static func run(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    guard let verb = words.first else { return try show(context, []) }
    func isVerb(_ full: String) -> Bool { IpOptions.matches(verb, full) }
    let rest = Array(words.dropFirst())
    if isVerb("add") { return try modify(context, rest, adding: true) }
    if isVerb("delete") { return try modify(context, rest, adding: false) }
    if isVerb("show") || isVerb("list") || isVerb("lst") { return try show(context, rest) }
    if isVerb("help") {
      context.printError(usage)
      return 255
    }
    context.printError("Command \"\(verb)\" is unknown, try \"ip maddr help\".\n")
    return 255
  }

  private static func modify(
    _ context: IpContext,
    _ words: [String],
    adding: Bool
  ) throws(ProcessExit) -> Int32 {
    var arguments = IpArguments(words, context)
    var deviceName: String?
    var address: MACAddress?
    while let word = arguments.next() {
      if word == "dev" {
        deviceName = try arguments.value()
        continue
      }
      let text = word == "address" ? try arguments.value() : word
      if address != nil { throw arguments.garbage("address", text) }
      guard let mac = MACAddress(text) else {
        if IPv4Address(text) != nil {
          context.printError("Error: Invalid address length 4 - must be 6 bytes\n")
        } else {
          context.printError("\"\(text)\" is not a legal ether address.\n")
        }
        return 1
      }
      address = mac
    }
    guard let deviceName else {
      context.printError("Not enough information: \"dev\" is required.\n")
      return 255
    }
    guard let device = context.namespace.devices[deviceName] else {
      context.printError("ioctl: No such device\n")
      return 1
    }
    guard let address else { return 1 }
    guard address.isMulticast else {
      context.printError("ioctl: Invalid argument\n")
      return 1
    }
    if !adding, !device.multicastAddresses.contains(where: { $0.mac == address }) {
      context.printError("ioctl: No such file or directory\n")
      return 1
    }
    context.namespace.changeMulticastFilter(of: device, address, adding: adding)
    return 0
  }

  private static func show(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    var arguments = IpArguments(words, context)
    var deviceName: String?
    while let word = arguments.next() {
      let name = word == "dev" ? try arguments.value() : word
      if deviceName != nil { throw arguments.garbage("dev", name) }
      deviceName = name
    }
    let family = context.options.family
    var output = context.makeOutput()
    for device in context.namespace.devices.all {
      if let deviceName, device.name != deviceName { continue }
      output.openObject()
      output.field(
        "ifindex",
        .number(Int64(device.ifindex)),
        text: "\(device.ifindex):"
      )
      output.field("ifname", device.name, text: "\t\(device.name)", colour: .interface)
      output.text("\n")
      output.openArray("maddr")
      if family == .unspecified || family == .packet {
        for entry in device.multicastAddresses {
          output.openObject()
          output.field(
            "link",
            entry.mac.description,
            lead: "\tlink  ",
            text: "\(entry.mac)",
            colour: .linkAddress
          )
          if entry.users > 1 {
            output.field("users", .number(Int64(entry.users)), text: " users \(entry.users)")
          }
          if entry.isStatic { output.field("features", .string("static"), text: " static") }
          output.text("\n")
          output.closeObject()
        }
      }
      if family == .unspecified || family == .inet {
        for membership in device.inet.groups.reversed() {
          output.openObject()
          output.json("family", .string("inet"))
          output.field(
            "address",
            membership.group.description,
            lead: "\tinet  ",
            text: "\(membership.group)",
            colour: .address
          )
          if membership.users > 1 {
            output.field(
              "users",
              .number(Int64(membership.users)),
              text: " users \(membership.users)"
            )
          }
          output.text("\n")
          output.closeObject()
        }
        if device.isUp { group("inet", "224.0.0.1", to: &output) }
        if device.listensForSnoopers { group("inet", "224.0.0.106", to: &output) }
      }
      if family == .unspecified || family == .inet6 {
        if device.listensForSnoopers { group("inet6", "ff02::6a", to: &output) }
        group("inet6", "ff02::1", to: &output)
        group("inet6", "ff01::1", to: &output)
      }
      output.closeArray()
      output.closeObject()
    }
    context.print(output)
    return 0
  }

  /// A group to which the kernel itself listens.
  private static func group(_ family: String, _ address: String, to output: inout IpOutput) {
    output.openObject()
    output.json("family", .string(family))
    output.field("address", address, text: "\t\(family.padded(5)) \(address)\n")
    output.closeObject()
  }
}

extension IpObject {
  /// `ip maddress`.
  static let maddress = IpObject("maddress") { context, words throws(ProcessExit) in
    try IpMaddress.run(context, words)
  }
}
