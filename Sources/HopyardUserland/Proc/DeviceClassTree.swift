import HopyardSimulator
import HopyardWire

/// `/sys/class/net`: the devices of the namespace of whoever looks.
final class DeviceClassTree: VirtualTree {
  private static let counters: [String: @Sendable (DeviceStatistics) -> UInt64] = [
    "collisions": { _ in 0 }, "multicast": { $0.receivedMulticast },
    "rx_bytes": { $0.receivedBytes }, "rx_compressed": { _ in 0 }, "rx_crc_errors": { _ in 0 },
    "rx_dropped": { $0.receiveDropped }, "rx_errors": { $0.receiveErrors },
    "rx_fifo_errors": { _ in 0 }, "rx_frame_errors": { _ in 0 }, "rx_length_errors": { _ in 0 },
    "rx_missed_errors": { _ in 0 }, "rx_nohandler": { _ in 0 }, "rx_over_errors": { _ in 0 },
    "rx_packets": { $0.receivedPackets }, "tx_aborted_errors": { _ in 0 },
    "tx_bytes": { $0.sentBytes }, "tx_carrier_errors": { _ in 0 }, "tx_compressed": { _ in 0 },
    "tx_dropped": { $0.sendDropped }, "tx_errors": { $0.sendErrors },
    "tx_fifo_errors": { _ in 0 }, "tx_heartbeat_errors": { _ in 0 },
    "tx_packets": { $0.sentPackets }, "tx_window_errors": { _ in 0 },
  ]
  private static let files = [
    "addr_assign_type", "addr_len", "address", "broadcast", "carrier", "carrier_changes",
    "carrier_down_count", "carrier_up_count", "dev_id", "dev_port", "dormant", "duplex", "flags",
    "ifalias", "ifindex", "iflink", "link_mode", "mtu", "netdev_group", "operstate",
    "proto_down", "speed", "statistics", "testing", "tx_queue_len", "type",
  ]

  func list(_ path: String, for process: Process) throws(Errno) -> [String] {
    let parts = path.split(separator: "/").map(String.init)
    guard let name = parts.first else { return process.namespace.devices.all.map(\.name).sorted() }
    guard let device = process.namespace.devices[name] else { throw .noSuchFile }
    switch parts.count {
    case 1: return (Self.files + BridgeClassTree.directories(of: device)).sorted()
    case 2 where BridgeClassTree.list(parts[1], device) != nil:
      return BridgeClassTree.list(parts[1], device) ?? []
    case 2 where parts[1] == "statistics": return Self.counters.keys.sorted()
    case 2 where Self.files.contains(parts[1]): throw .notDirectory
    case 3 where parts[1] == "statistics" && Self.counters[parts[2]] != nil: throw .notDirectory
    default: throw .noSuchFile
    }
  }

  func read(_ path: String, for process: Process) throws(Errno) -> [UInt8] {
    let parts = path.split(separator: "/").map(String.init)
    guard let name = parts.first, let device = process.namespace.devices[name] else {
      throw .noSuchFile
    }
    if parts.count == 3, parts[1] == "statistics", let counter = Self.counters[parts[2]] {
      return Array("\(counter(device.statistics))\n".utf8)
    }
    if parts.count == 3, BridgeClassTree.list(parts[1], device) != nil {
      return Array((try BridgeClassTree.value(parts[1], parts[2], device) + "\n").utf8)
    }
    guard parts.count == 2, BridgeClassTree.list(parts[1], device) == nil else {
      throw .isDirectory
    }
    return Array((try value(parts[1], device) + "\n").utf8)
  }

  private func value(_ file: String, _ device: NetworkDevice) throws(Errno) -> String {
    let changes = device.statistics.carrierChanges
    switch file {
    case "addr_assign_type": return device.isLoopback ? "0" : "3"
    case "addr_len": return device.isEthernet || device.isLoopback ? "6" : "4"
    case "address": return device.mac.description
    case "broadcast": return device.broadcast.description
    case "carrier":
      // A device that is down has no carrier to tell of.
      guard device.isUp else { throw .invalidArgument }
      return device.hasCarrier ? "1" : "0"
    case "carrier_changes": return String(changes)
    case "carrier_down_count": return String((changes + 1) / 2)
    case "carrier_up_count": return String(changes / 2)
    case "dev_id": return "0x0"
    case "dev_port", "dormant", "link_mode", "proto_down", "testing": return "0"
    case "duplex":
      guard device.isUp, device.kind == "veth" else { throw .invalidArgument }
      return "full"
    case "flags": return "0x" + DecimalText.hexadecimal(UInt64(Self.flags(of: device)))
    case "ifalias": return device.alias
    case "ifindex": return String(device.ifindex)
    case "iflink": return String(device.lower?.ifindex ?? device.ifindex)
    case "mtu": return String(device.mtu)
    case "netdev_group": return String(device.group)
    case "operstate": return device.operationalState.lowercased()
    case "speed":
      guard device.isUp, device.kind == "veth" else { throw .invalidArgument }
      return "10000"
    case "tx_queue_len": return String(device.queueLength)
    case "type": return String(device.hardwareType)
    default: throw .noSuchFile
    }
  }

  /// The flags that an administrator sets; what runs is not among them.
  static func flags(of device: NetworkDevice) -> UInt32 {
    var flags: UInt32 = device.isUp ? 1 : 0
    if device.isLoopback { flags |= 8 }
    if device.isEthernet && !device.isLoopback { flags |= 2 }
    if device.isPointToPoint { flags |= 0x10 }
    if device.isNoARP { flags |= 0x80 }
    if device.isPromiscuousByHand { flags |= 0x100 }
    if device.isAllMulticast { flags |= 0x200 }
    if !device.isLoopback && !device.isMulticastOff { flags |= 0x1000 }
    return flags
  }

  func write(_ path: String, _ bytes: [UInt8], for process: Process) throws(Errno) {
    let parts = path.split(separator: "/").map(String.init)
    guard let name = parts.first, let device = process.namespace.devices[name] else {
      throw .accessDenied
    }
    let text = String(decoding: bytes, as: UTF8.self).trimmed
    if parts.count == 3 {
      return try BridgeClassTree.write(parts[1], parts[2], text, device, for: process)
    }
    guard parts.count == 2 else { throw .accessDenied }
    switch parts[1] {
    case "mtu":
      guard let mtu = Int(text) else { throw .invalidArgument }
      do throws(LinkError) {
        try process.namespace.setLinkMTU(device, mtu)
      } catch {
        throw Errno(rawValue: error.errno.rawValue) ?? .invalidArgument
      }
    case "ifalias": process.namespace.setLinkAlias(device, text)
    case "tx_queue_len":
      guard let length = Int(text), length >= 0 else { throw .invalidArgument }
      process.namespace.setLinkQueueLength(device, length)
    default:
      process.refuse("writing /sys/class/net/\(path) is not modelled")
      throw .accessDenied
    }
  }
}
