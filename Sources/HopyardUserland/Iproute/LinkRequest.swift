import HopyardSimulator
import HopyardWire

/// What the words of `ip link add` or `ip link set` ask for (`iplink_parse`).
struct LinkRequest {
  /// Where a device is to be.
  enum Place {
    case namespace(NetworkNamespace)
    /// A process that does not exist.
    case noProcess
  }

  /// Which device is to be master.
  enum Master {
    case none
    case device(String)
  }

  var device: String?
  var name: String?
  var index: Int32?
  var link: String?
  var linkNamespace: NetworkNamespace?
  var address: MACAddress?
  var mtu: Int?
  var queueLength: Int?
  var place: Place?
  var master: Master?
  var group: UInt32?
  var alias: String?
  var isUp: Bool?
  var arp: Bool?
  var multicast: Bool?
  var allMulticast: Bool?
  var promiscuous: Bool?
  var transmitQueues: Int?
  var receiveQueues: Int?
  var type: String?
  var typeArguments: [String] = []

  /// Reads words; `creating` is `ip link add`.
  mutating func read(
    _ arguments: inout IpArguments,
    _ context: IpContext,
    creating: Bool
  ) throws(ProcessExit) {
    while let word = arguments.next() {
      func isWord(_ full: String) -> Bool { IpOptions.matches(word, full) }
      switch word {
      case "up": isUp = true
      case "down": isUp = false
      case "mtu":
        let value = try arguments.value()
        if mtu != nil { throw arguments.duplicate("mtu", value) }
        guard let number = Self.number(value), let small = Int32(exactly: number) else {
          throw arguments.wrong(value, "Invalid \"mtu\" value\n")
        }
        mtu = Int(small)
      case "name":
        let value = try arguments.value()
        if name != nil { throw arguments.duplicate("name", value) }
        guard Self.isName(value) else {
          throw arguments.wrong(value, "\"name\" not a valid ifname")
        }
        name = value
      case "netns": try readPlace(try arguments.value(), arguments, context)
      case "link-netns":
        let value = try arguments.value()
        guard let found = IpCommand.namespace(named: value, near: context.namespace) else {
          throw arguments.wrong(value, "Invalid \"link-netns\" value\n")
        }
        linkNamespace = found
      case "multicast": multicast = try onOff("multicast", &arguments, context)
      case "allmulticast": allMulticast = try onOff("allmulticast", &arguments, context)
      case "promisc": promiscuous = try onOff("promisc", &arguments, context)
      case "arp": arp = try onOff("arp", &arguments, context)
      case "trailers": _ = try onOff("trailers", &arguments, context)
      case "dynamic": _ = try onOff("dynamic", &arguments, context)
      case "carrier", "vf", "xdp", "xdpgeneric", "xdpdrv", "xdpoffload", "vrf", "protodown",
        "protodown_reason", "addrgenmode", "mode", "state", "link-netnsid", "parentdev",
        "gso_max_size", "gso_max_segs", "gro_max_size":
        throw .refused("ip link … \(word) is not modelled")
      case "numtxqueues": transmitQueues = try count("numtxqueues", &arguments)
      case "numrxqueues": receiveQueues = try count("numrxqueues", &arguments)
      case "group":
        let value = try arguments.value()
        guard let number = Self.group(value) else {
          throw arguments.wrong(value, "Invalid \"group\" value\n")
        }
        group = number
      case "alias", "ifalias":
        let value = try arguments.value()
        if value.utf8.count >= 256 { throw arguments.wrong(value, "alias too long\n") }
        alias = value
      case "qlen", "brd":
        if word == "brd" { throw .refused("ip link … broadcast is not modelled") }
        try readQueueLength(&arguments)
      default:
        if isWord("master") {
          // Any abbreviation will do, even one that is a device's name.
          let name = try arguments.value()
          guard creating || context.namespace.devices[name] != nil else {
            throw arguments.wrong(name, "Device does not exist\n")
          }
          master = .device(name)
        } else if isWord("nomaster") {
          master = Master.none
        } else if isWord("link") && word.count > 1 {
          link = try arguments.value()
        } else if isWord("address") && word.count > 1 {
          try readAddress(&arguments, context)
        } else if isWord("broadcast") {
          throw .refused("ip link … broadcast is not modelled")
        } else if isWord("txqueuelen") || isWord("txqlen") {
          try readQueueLength(&arguments)
        } else if isWord("index") && word.count > 1 {
          let value = try arguments.value()
          guard let number = Self.number(value), number > 0, let small = Int32(exactly: number)
          else { throw arguments.wrong(value, "Invalid \"index\" value") }
          index = small
        } else if isWord("type") {
          let value = try arguments.value()
          type = value
          typeArguments = Array(arguments.all[arguments.index...])
          arguments.index = arguments.all.count
        } else if word == "help" {
          context.printError(IpLink.usage)
          throw .status(255)
        } else {
          let value = word == "dev" ? try arguments.value() : word
          if device != nil && device != name { throw arguments.garbage("dev", value) }
          guard Self.isName(value) else {
            throw arguments.wrong(value, "\"dev\" not a valid ifname")
          }
          device = value
        }
      }
    }
  }

  private mutating func readPlace(
    _ value: String,
    _ arguments: IpArguments,
    _ context: IpContext
  ) throws(ProcessExit) {
    if place != nil { throw arguments.duplicate("netns", value) }
    if let found = IpCommand.namespace(named: value, near: context.namespace) {
      place = .namespace(found)
    } else if let number = Self.number(value) {
      place = .noProcess
      if number == 1 {
        place = .namespace(context.namespace.machine.root)
      } else if let pid = Int32(exactly: number),
        let process = context.process?.userland.process(pid),
        let namespace = process.namespace as? NetworkNamespace
      {
        place = .namespace(namespace)
      }
    } else {
      throw arguments.wrong(value, "Invalid \"netns\" value\n")
    }
  }

  private mutating func readQueueLength(_ arguments: inout IpArguments) throws(ProcessExit) {
    let value = try arguments.value()
    if queueLength != nil { throw arguments.duplicate("txqueuelen", value) }
    guard let number = Self.number(value), let small = Int32(exactly: number) else {
      throw arguments.wrong(value, "Invalid \"txqueuelen\" value\n")
    }
    queueLength = Int(small)
  }

  private mutating func readAddress(
    _ arguments: inout IpArguments,
    _ context: IpContext
  ) throws(ProcessExit) {
    let value = try arguments.value()
    let parts = value.split(separator: ":", omittingEmptySubsequences: false)
    if let mac = MACAddress(value) {
      address = mac
      return
    }
    for part in parts where part.isEmpty || part.count > 2 || UInt8(part, radix: 16) == nil {
      context.printError("\"\(value)\" is invalid lladdr.\n")
      throw .status(1)
    }
    context.printError("Invalid address length \(parts.count) - must be 6 bytes\n")
    throw .status(1)
  }

  private func count(_ name: String, _ arguments: inout IpArguments) throws(ProcessExit) -> Int {
    let value = try arguments.value()
    guard let number = Self.number(value), number > 0, let small = Int32(exactly: number) else {
      throw arguments.wrong(value, "Invalid \"\(name)\" value\n")
    }
    return Int(small)
  }

  private func onOff(
    _ name: String,
    _ arguments: inout IpArguments,
    _ context: IpContext
  ) throws(ProcessExit) -> Bool {
    let value = try arguments.value()
    switch value {
    case "on": return true
    case "off": return false
    default:
      context.printError(
        "Error: argument of \"\(name)\" must be \"on\" or \"off\", not \"\(value)\"\n"
      )
      throw .status(1)
    }
  }

  // MARK: Words

  /// A number in C notation.
  static func number(_ text: String) -> Int64? {
    if text.hasPrefix("0x") || text.hasPrefix("0X") { return Int64(text.dropFirst(2), radix: 16) }
    if text.hasPrefix("0"), text.count > 1 { return Int64(text.dropFirst(), radix: 8) }
    return text.hasPrefix("+") ? nil : Int64(text)
  }

  static func group(_ text: String) -> UInt32? {
    text == "default" ? 0 : number(text).flatMap { UInt32(exactly: $0) }
  }

  /// Whether a device may have a name.
  static func isName(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count < 16
      && !text.utf8.contains { $0 == UInt8(ascii: "/") || $0 <= 0x20 }
  }

  /// What a new device gets.
  var newLink: NewLink {
    var link = NewLink(name ?? device, mac: address, mtu: mtu)
    link.queueLength = queueLength
    link.ifindex = index
    link.transmitQueues = transmitQueues
    link.receiveQueues = receiveQueues
    link.group = group
    link.alias = alias
    return link
  }
}
