import HopyardSimulator

/// What `ethtool` shows of a device.
enum EthtoolReport {
  /// `ethtool NAME`.
  case settings
  /// `ethtool -i NAME`.
  case driver
  /// `ethtool -S NAME`.
  case statistics

  /// The options, each with what it asks for.
  static let names: [String: EthtoolReport] = [
    "-i": .driver, "--driver": .driver, "-S": .statistics, "--statistics": .statistics,
  ]

  /// What is said where the device is not there; nil stands for another option.
  static func missing(_ report: EthtoolReport?) -> (text: String, status: Int32) {
    let unknown = "netlink error: no device matches name (offset 24)\n"
    let netlink = unknown + "netlink error: No such device\n"
    return switch report {
    case .settings:
      (String(repeating: netlink, count: 5) + "No data available\n", 75)
    case .driver: ("Cannot get driver information: No such device\n", 71)
    case .statistics: ("Cannot get stats strings information: No such device\n", 96)
    case nil: (netlink, 92)
    }
  }

  /// What is said of a device.
  func text(of device: NetworkDevice) -> (text: String, status: Int32) {
    switch self {
    case .settings: return (Self.settings(of: device), 0)
    case .driver: return Self.driver(of: device)
    case .statistics:
      guard let peer = (device as? VethDevice)?.lower else {
        return ("no stats available\n", 94)
      }
      var text = "NIC statistics:\n     peer_ifindex: \(peer.ifindex)\n"
      let names = [
        "rx_queue_0_xdp_packets", "rx_queue_0_xdp_bytes", "rx_queue_0_drops",
        "rx_queue_0_xdp_redirect", "rx_queue_0_xdp_drops", "rx_queue_0_xdp_tx",
        "rx_queue_0_xdp_tx_errors", "tx_queue_0_xdp_xmit", "tx_queue_0_xdp_xmit_errors",
      ]
      for name in names { text += "     \(name): 0\n" }
      return (text, 0)
    }
  }

  private static func driver(of device: NetworkDevice) -> (text: String, status: Int32) {
    if device.isLoopback {
      return ("Cannot get driver information: Operation not supported\n", 71)
    }
    let isBridge = device is BridgeDevice
    let version: String =
      switch device.kind {
      case "bridge": "2.3"
      case "macvlan": "0.1"
      case "vlan": "1.8"
      default: "1.0"
      }
    return (
      """
      driver: \(device.kind == "vlan" ? "802.1Q VLAN Support" : device.kind)
      version: \(version)
      firmware-version: \(isBridge || device.kind == "vlan" ? "N/A" : "")
      expansion-rom-version:\u{20}
      bus-info: \(isBridge ? "N/A" : "")
      supports-statistics: \(device is VethDevice ? "yes" : "no")
      supports-test: no
      supports-eeprom-access: no
      supports-register-dump: no
      supports-priv-flags: no

      """, 0
    )
  }

  /// The speed that a device tells of itself, in Mbit/s; nil if it tells none.
  private static func speed(of device: NetworkDevice) -> Int? {
    if device is VethDevice { return 10_000 }
    if let bridge = device as? BridgeDevice {
      return bridge.ports.compactMap { speed(of: $0.device) }.max()
    }
    return device.lower.flatMap { speed(of: $0) }
  }

  private static func settings(of device: NetworkDevice) -> String {
    var text = "Settings for \(device.name):\n"
    let isBridge = device is BridgeDevice
    let speed = speed(of: device)
    if isBridge || speed != nil {
      text += """
        \tSupported ports: [  ]
        \tSupported link modes:   Not reported
        \tSupported pause frame use: No
        \tSupports auto-negotiation: No
        \tSupported FEC modes: Not reported
        \tAdvertised link modes:  Not reported
        \tAdvertised pause frame use: No
        \tAdvertised auto-negotiation: No
        \tAdvertised FEC modes: Not reported
        \tSpeed: \(speed.map { "\($0)Mb/s" } ?? "Unknown!")
        \tDuplex: \(isBridge ? "Unknown! (255)" : "Full")
        \tAuto-negotiation: off
        \tPort: \(isBridge ? "Other" : "Twisted Pair")
        \tPHYAD: 0
        \tTransceiver: internal

        """
      if !isBridge { text += "\tMDI-X: Unknown\n" }
    }
    return text + "\tLink detected: \(device.isUp && device.hasCarrier ? "yes" : "no")\n"
  }
}
