import HopyardSimulator
import HopyardWire

/// `ifconfig`, as net-tools has it.
enum IfconfigCommand {
  static let command = Command(
    "ifconfig",
    check: { check in
      let refused: Set<String> = [
        "tunnel", "outfill", "keepalive", "mem_start", "io_addr", "irq", "media", "trailers",
        "-trailers", "dynamic", "-dynamic", "name", "-broadcast",
      ]
      for (index, text) in check.texts.enumerated() where refused.contains(text ?? "") {
        check.report(index, "ifconfig \(text ?? "") is not modelled")
      }
    },
    run: { process, arguments async throws(ProcessExit) in
      var words = arguments[...]
      var showsAll = false
      var isShort = false
      while let first = words.first, first.hasPrefix("-") {
        switch first {
        case "-a": showsAll = true
        case "-s": isShort = true
        case "-v": break
        case "--version", "-V":
          try await process.print("net-tools 2.10\n")
          return 0
        default:
          try await process.printError(
            "ifconfig: option `\(first)' not recognised.\n"
              + "ifconfig: `--help' gives usage information.\n"
          )
          return 1
        }
        words = words.dropFirst()
      }
      let namespace = process.namespace
      guard let name = words.popFirst() else {
        let devices = namespace.devices.all.filter { showsAll || $0.isUp }
          .sorted { $0.name < $1.name }
        try await process.print(
          isShort
            ? shortTable(devices.flatMap { rows(of: $0) })
            : devices.flatMap { rows(of: $0) }.map(describe).joined()
        )
        return 0
      }
      if words.isEmpty {
        guard let device = namespace.devices[IfconfigSettings.deviceName(name)] else {
          try await process.printError(
            "\(name): error fetching interface information: Device not found\n"
          )
          return 1
        }
        let row = Row(name: name, device: device)
        try await process.print(isShort ? shortTable([row]) : describe(row))
        return 0
      }
      var settings = IfconfigSettings(process: process, name: name)
      return try await settings.apply(Array(words))
    }
  )

  /// One line of the listing: a device, or a label that one of its addresses has.
  struct Row {
    /// The device's name or the label, such as `eth0:1`.
    let name: String
    let device: NetworkDevice

    /// Whether it is a label.
    var isAlias: Bool { name.contains(":") }

    /// The address that it shows.
    var address: InterfaceAddress<UInt32>? {
      device.inet.addresses.first { $0.label == name }
    }
  }

  /// A device and the labels of its addresses.
  private static func rows(of device: NetworkDevice) -> [Row] {
    var names = [device.name]
    for address in device.inet.addresses where !names.contains(address.label) {
      names.append(address.label)
    }
    return names.sorted().map { Row(name: $0, device: device) }
  }

  // MARK: Showing

  private static func describe(_ row: Row) -> String {
    let device = row.device
    var flags = DeviceClassTree.flags(of: device)
    if device.isUp && device.hasCarrier { flags |= 0x40 }
    let names: [(bit: UInt32, name: String)] = [
      (1, "UP"), (2, "BROADCAST"), (4, "DEBUG"), (8, "LOOPBACK"), (0x10, "POINTOPOINT"),
      (0x40, "RUNNING"), (0x80, "NOARP"), (0x100, "PROMISC"), (0x200, "ALLMULTI"),
      (0x1000, "MULTICAST"),
    ]
    let shown = names.filter { flags & $0.bit != 0 }.map(\.name).joined(separator: ",")
    var text = "\(row.name): flags=\(flags)<\(shown)>  mtu \(device.mtu)\n"
    if let address = row.address {
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
    if row.isAlias { return text + "\n" }
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

  private static func shortTable(_ rows: [Row]) -> String {
    var text = "Iface      MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg\n"
    for row in rows {
      let device = row.device
      let counts = device.statistics
      func field(_ value: UInt64, _ width: Int) -> String { String(value).leftPadded(width) }
      var flags = ""
      if !device.isLoopback && device.isEthernet { flags += "B" }
      if device.isLoopback { flags += "L" }
      if !device.isLoopback, !device.isMulticastOff { flags += "M" }
      if device.promiscuity > 0 { flags += "P" }
      if device.isUp && device.hasCarrier { flags += "R" }
      if device.isUp { flags += "U" }
      text += row.name.padded(16) + String(device.mtu).leftPadded(5) + " "
      if row.isAlias {
        text += "     - no statistics available -                        \(flags)\n"
        continue
      }
      text += field(counts.receivedPackets, 8) + " " + field(counts.receiveErrors, 6) + " "
      text += field(counts.receiveDropped, 6) + " " + "0".padded(6) + " "
      text += field(counts.sentPackets, 8) + " " + field(counts.sendErrors, 6) + " "
      text += field(counts.sendDropped, 6) + " " + "0".leftPadded(6) + " \(flags)\n"
    }
    return text
  }
}
