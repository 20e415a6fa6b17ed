import HopyardSimulator
import HopyardWire

/// `ifconfig`, as net-tools has it.
enum IfconfigCommand {
  static let command = Command(
    "ifconfig",
    check: { check in
      let refused: Set<String> = [
        "tunnel", "outfill", "keepalive", "mem_start", "io_addr", "irq", "media", "pointopoint",
        "trailers", "-trailers", "add", "dstaddr", "metric", "-v",
      ]
      for (index, text) in check.texts.enumerated() where refused.contains(text ?? "") {
        check.report(index, "ifconfig \(text ?? "") is not modelled")
      }
      if let first = check.texts.first(where: { $0?.hasPrefix("-") != true }),
        first?.contains(":") == true
      {
        check.report(
          check.texts.firstIndex(of: first),
          "an alias device of ifconfig is not modelled"
        )
      }
    },
    run: { process, arguments async throws(ProcessExit) in
      var words = arguments[...]
      var showsAll = false
      var isShort = false
      while let first = words.first, first.hasPrefix("-") {
        if first == "-a" { showsAll = true } else if first == "-s" { isShort = true }
        words = words.dropFirst()
      }
      let namespace = process.namespace
      guard let name = words.popFirst() else {
        let devices = namespace.devices.all.filter { showsAll || $0.isUp }
          .sorted { $0.isLoopback != $1.isLoopback ? $0.isLoopback : $0.name < $1.name }
        try await process.print(
          isShort ? shortTable(devices) : devices.map(describe).joined()
        )
        return 0
      }
      guard let device = namespace.devices[name] else {
        try await process.printError(
          words.isEmpty
            ? "\(name): error fetching interface information: Device not found\n"
            : "SIOCSIFFLAGS: No such device\n"
        )
        return 1
      }
      if words.isEmpty {
        try await process.print(isShort ? shortTable([device]) : describe(device))
        return 0
      }
      return try await configure(process, device, Array(words))
    }
  )

  // MARK: Showing

  private static func describe(_ device: NetworkDevice) -> String {
    var flags = DeviceClassTree.flags(of: device)
    if device.isUp && device.hasCarrier { flags |= 0x40 }
    let names: [(bit: UInt32, name: String)] = [
      (1, "UP"), (2, "BROADCAST"), (4, "DEBUG"), (8, "LOOPBACK"), (0x10, "POINTOPOINT"),
      (0x40, "RUNNING"), (0x80, "NOARP"), (0x100, "PROMISC"), (0x200, "ALLMULTI"),
      (0x1000, "MULTICAST"),
    ]
    let shown = names.filter { flags & $0.bit != 0 }.map(\.name).joined(separator: ",")
    var text = "\(device.name): flags=\(flags)<\(shown)>  mtu \(device.mtu)\n"
    if let address = device.inet.addresses.first {
      text += "        inet \(IPv4Address(rawValue: address.local))"
      text += "  netmask \(IPv4Address(rawValue: address.mask))"
      if flags & 2 != 0 {
        text += "  broadcast \(IPv4Address(rawValue: address.broadcast ?? 0))"
      }
      if flags & 0x10 != 0 { text += "  destination \(IPv4Address(rawValue: address.peer))" }
      text += "\n"
    }
    if device.isLoopback {
      text += "        loop  txqueuelen \(device.queueLength)  (Local Loopback)\n"
    } else if device.isEthernet {
      text += "        ether \(device.mac)  txqueuelen \(device.queueLength)  (Ethernet)\n"
    } else {
      text += "        unspec 00-00-00-00-00-00-00-00-00-00-00-00-00-00-00-00"
      text += "  txqueuelen \(device.queueLength)  (UNSPEC)\n"
    }
    let counts = device.statistics
    text += "        RX packets \(counts.receivedPackets)  bytes \(size(counts.receivedBytes))\n"
    text += "        RX errors \(counts.receiveErrors)  dropped \(counts.receiveDropped)"
    text += "  overruns 0  frame 0\n"
    text += "        TX packets \(counts.sentPackets)  bytes \(size(counts.sentBytes))\n"
    text += "        TX errors \(counts.sendErrors)  dropped \(counts.sendDropped) overruns 0"
    text += "  carrier 0  collisions 0\n\n"
    return text
  }

  private static func size(_ bytes: UInt64) -> String {
    var value = bytes
    var unit = "B"
    var tenth: UInt64 = 0
    let units: [(factor: UInt64, name: String)] = [
      (1 << 50, "PiB"), (1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"),
    ]
    if let found = units.first(where: { bytes > $0.factor }) {
      value = bytes / found.factor
      tenth = bytes % found.factor * 10 / found.factor
      unit = found.name
    }
    return "\(bytes) (\(value).\(tenth) \(unit))"
  }

  private static func shortTable(_ devices: [NetworkDevice]) -> String {
    var text = "Iface      MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg\n"
    for device in devices {
      let counts = device.statistics
      func field(_ value: UInt64, _ width: Int) -> String { String(value).leftPadded(width) }
      var flags = ""
      if !device.isLoopback && device.isEthernet { flags += "B" }
      if device.isLoopback { flags += "L" }
      if !device.isLoopback { flags += "M" }
      if device.promiscuity > 0 { flags += "P" }
      if device.isUp && device.hasCarrier { flags += "R" }
      if device.isUp { flags += "U" }
      text += device.name.padded(16) + String(device.mtu).leftPadded(5) + " "
      text += field(counts.receivedPackets, 8) + " " + field(counts.receiveErrors, 6) + " "
      text += field(counts.receiveDropped, 6) + " " + "0".padded(6) + " "
      text += field(counts.sentPackets, 8) + " " + field(counts.sendErrors, 6) + " "
      text += field(counts.sendDropped, 6) + " " + "0".leftPadded(6) + " \(flags)\n"
    }
    return text
  }

  // MARK: Changing

  private static func configure(_ process: Process, _ device: NetworkDevice, _ given: [String])
    async throws(ProcessExit) -> Int32
  {
    let namespace = process.namespace
    var words = given[...]
    var status: Int32 = 0
    func tell(_ call: String, _ error: LinkError) async throws(ProcessExit) {
      try await process.printError("\(call): \(error.errno.description)\n")
      status = 1
    }
    while let word = words.popFirst() {
      switch word {
      case "up":
        do throws(LinkError) { try namespace.setLinkUp(device) } catch {
          try await tell("SIOCSIFFLAGS", error)
        }
      case "down": namespace.setLinkDown(device)
      case "promisc", "-promisc": namespace.setLinkPromiscuous(device, word == "promisc")
      case "allmulti", "-allmulti": namespace.setLinkAllMulticast(device, word == "allmulti")
      case "multicast", "-multicast": namespace.setLinkMulticast(device, word == "multicast")
      case "arp", "-arp": namespace.setLinkARP(device, word == "arp")
      case "txqueuelen":
        namespace.setLinkQueueLength(device, words.popFirst().flatMap { Int($0) } ?? 0)
      case "mtu":
        do throws(LinkError) {
          try namespace.setLinkMTU(device, words.popFirst().flatMap { Int($0) } ?? 0)
        } catch {
          try await tell("SIOCSIFMTU", error)
        }
      case "hw":
        if words.first == "ether" { words = words.dropFirst() }
        guard let text = words.popFirst(), let mac = MACAddress(text) else {
          try await process.printError("ifconfig: invalid hardware address\n")
          return 1
        }
        do throws(LinkError) { try namespace.setLinkMAC(device, mac) } catch {
          try await tell("SIOCSIFHWADDR", error)
        }
      case "netmask":
        guard let text = words.popFirst(), let mask = IPv4Address(text) else { return 1 }
        if let address = device.inet.addresses.first {
          try await set(process, device, address.local, mask.rawValue.nonzeroBitCount)
        }
      case "broadcast":
        guard let text = words.popFirst(), let value = IPv4Address(text) else { return 1 }
        if var address = device.inet.addresses.first {
          namespace.removeAddress(at: 0, from: device)
          address.broadcast = value.rawValue
          do throws(RouteError) {
            try namespace.addLinkAddress(address, to: device, replacing: false)
          } catch { status = 1 }
        }
      case "del":
        guard let text = words.popFirst(),
          let address = IPv4Address(String(text.prefix { $0 != "/" })),
          let index = device.inet.addresses.firstIndex(where: { $0.local == address.rawValue })
        else {
          try await process.printError("SIOCDIFADDR: Cannot assign requested address\n")
          return 1
        }
        namespace.removeAddress(at: index, from: device)
      default:
        let parts = word.split(separator: "/", maxSplits: 1).map(String.init)
        guard let address = process.resolve(parts[0]) else {
          try await process.printError(
            "\(word): Host name lookup failure\nifconfig: `--help' gives usage information.\n"
          )
          return 1
        }
        var length = address.rawValue >> 31 == 0 ? 8 : address.rawValue >> 30 == 2 ? 16 : 24
        if parts.count > 1 {
          guard let number = Int(parts[1]), (0...32).contains(number) else { return 1 }
          length = number
        }
        if address != .any {
          do throws(LinkError) { try namespace.setLinkUp(device) } catch {
            try await tell("SIOCSIFFLAGS", error)
          }
        }
        try await set(process, device, address.rawValue, length)
      }
    }
    return status
  }

  /// Gives a device its one address, in place of the first it had.
  private static func set(
    _ process: Process,
    _ device: NetworkDevice,
    _ local: UInt32,
    _ length: Int
  ) async throws(ProcessExit) {
    let namespace = process.namespace
    if !device.inet.addresses.isEmpty { namespace.removeAddress(at: 0, from: device) }
    guard local != 0 else { return }
    var address = InterfaceAddress<UInt32>(local: local, prefixLength: length)
    if length < 31, !device.isLoopback {
      address.broadcast = local | ~(length == 0 ? 0 : ~UInt32(0) << UInt32(32 - length))
    }
    if local >> 24 == 127 { address.scope = .host }
    address.label = device.name
    do throws(RouteError) {
      try namespace.addLinkAddress(address, to: device, replacing: false)
    } catch {
      try await process.printError("SIOCSIFADDR: \(error.errno.description)\n")
    }
  }
}
