import HopyardSimulator
import HopyardWire

/// `/sys/class/net/BRIDGE/bridge` and `/sys/class/net/PORT/brport`: the settings of bridges as files
/// (Documentation/ABI/testing/sysfs-class-net).
enum BridgeClassTree {
  /// The files that are settings of a bridge under another name.
  private static let bridgeSettings: [String: BridgeOption] = [
    "ageing_time": .ageingTime, "forward_delay": .forwardDelay,
    "hash_elasticity":
      .multicastHashElasticity,
    "hash_max": .multicastHashMaximum, "hello_time": .helloTime, "max_age": .maximumAge,
    "multicast_igmp_version": .multicastIGMPVersion,
    "multicast_last_member_count": .multicastLastMemberCount,
    "multicast_last_member_interval": .multicastLastMemberInterval,
    "multicast_membership_interval": .multicastMembershipInterval,
    "multicast_mld_version": .multicastMLDVersion, "multicast_querier": .multicastQuerier,
    "multicast_querier_interval": .multicastQuerierInterval,
    "multicast_query_interval": .multicastQueryInterval,
    "multicast_query_response_interval": .multicastQueryResponseInterval,
    "multicast_query_use_ifaddr": .multicastQueryUsesAddress,
    "multicast_router": .multicastRouter, "multicast_snooping": .multicastSnooping,
    "multicast_startup_query_count": .multicastStartupQueryCount,
    "multicast_startup_query_interval": .multicastStartupQueryInterval,
    "multicast_stats_enabled": .multicastStatsEnabled, "nf_call_arptables": .callsARPTables,
    "nf_call_ip6tables": .callsIP6Tables, "nf_call_iptables": .callsIPTables,
    "no_linklocal_learn": .noLinkLocalLearning, "priority": .priority, "stp_state": .stpState,
    "vlan_filtering": .vlanFiltering, "vlan_protocol": .vlanProtocol,
    "vlan_stats_enabled": .vlanStatsEnabled, "vlan_stats_per_port": .vlanStatsPerPort,
    "default_pvid": .vlanDefaultPVID,
  ]

  private static let bridgeFacts = [
    "bridge_id", "gc_timer", "group_addr", "group_fwd_mask", "hello_timer", "root_id",
    "root_path_cost", "root_port", "tcn_timer", "topology_change", "topology_change_detected",
    "topology_change_timer",
  ]

  private static let portSettings: [String: BridgePortOption] = [
    "bpdu_guard": .guard, "broadcast_flood": .broadcastFlood, "hairpin_mode": .hairpin,
    "isolated": .isolated, "learning": .learning, "multicast_fast_leave": .fastLeave,
    "multicast_flood": .multicastFlood, "multicast_router": .multicastRouter,
    "multicast_to_unicast": .multicastToUnicast, "neigh_suppress": .neighbourSuppress,
    "path_cost": .cost, "priority": .priority, "proxyarp": .proxyARP,
    "proxyarp_wifi": .proxyARPWiFi, "root_block": .rootBlock, "state": .state,
    "unicast_flood": .flood,
  ]

  private static let portFacts = [
    "change_ack", "config_pending", "designated_bridge", "designated_cost", "designated_port",
    "designated_root", "forward_delay_timer", "group_fwd_mask", "hold_timer",
    "message_age_timer", "port_id", "port_no",
  ]

  /// The directories of a device that bridges make.
  static func directories(of device: NetworkDevice) -> [String] {
    var names: [String] = []
    if device is BridgeDevice { names += ["bridge", "brif"] }
    if device.bridgePort != nil { names.append("brport") }
    return names
  }

  /// The names in one of the directories; nil where the device has no such directory.
  static func list(_ directory: String, _ device: NetworkDevice) -> [String]? {
    guard directories(of: device).contains(directory) else { return nil }
    switch directory {
    case "bridge": return (bridgeSettings.keys + bridgeFacts + ["flush"]).sorted()
    case "brport": return (portSettings.keys + portFacts + ["flush"]).sorted()
    default:
      return (device as? BridgeDevice)?.ports.map(\.device.name).sorted()
    }
  }

  /// The text of a file, without the line's end.
  static func value(
    _ directory: String,
    _ file: String,
    _ device: NetworkDevice
  ) throws(Errno) -> String {
    guard let names = list(directory, device), names.contains(file) else { throw .noSuchFile }
    if file == "flush" { throw .accessDenied }
    if directory == "bridge", let bridge = device as? BridgeDevice {
      if file == "vlan_protocol" {
        return "0x" + DecimalText.hexadecimal(bridge[.vlanProtocol])
      }
      if let option = bridgeSettings[file] { return String(bridge[option]) }
      return fact(file, of: bridge)
    }
    if directory == "brport", let port = device.bridgePort {
      if let option = portSettings[file] { return String(value(of: option, port)) }
      return fact(file, of: port)
    }
    throw .isDirectory
  }

  private static func identifier(_ bridge: BridgeDevice) -> String {
    let priority = String(bridge[.priority], radix: 16)
    return String(repeating: "0", count: max(0, 4 - priority.count)) + priority + "."
      + bridge.mac.description.filter { $0 != ":" }
  }

  private static func fact(_ file: String, of bridge: BridgeDevice) -> String {
    switch file {
    case "bridge_id", "root_id": identifier(bridge)
    case "group_addr": "01:80:c2:00:00:00"
    case "group_fwd_mask": "0x" + DecimalText.hexadecimal(bridge[.groupForwardMask])
    default: "0"
    }
  }

  private static func fact(_ file: String, of port: BridgePort) -> String {
    switch file {
    case "designated_bridge", "designated_root": identifier(port.bridge)
    case "designated_port": String(identifier(of: port))
    case "port_id": "0x" + DecimalText.hexadecimal(UInt64(identifier(of: port)))
    case "port_no": "0x" + DecimalText.hexadecimal(UInt64(port.number))
    case "group_fwd_mask": "0x" + DecimalText.hexadecimal(UInt64(port.groupForwardMask))
    default: "0"
    }
  }

  /// A port's priority and number in one (IEEE 802.1D §9.2.7).
  private static func identifier(of port: BridgePort) -> UInt16 {
    UInt16(port.priority) << 10 | port.number & 0x3ff
  }

  private static func value(of option: BridgePortOption, _ port: BridgePort) -> UInt64 {
    if let flag = option.flag { return port.flags.contains(flag) ? 1 : 0 }
    switch option {
    case .state: return UInt64(port.state.rawValue)
    case .priority: return UInt64(port.priority)
    case .cost: return UInt64(port.cost)
    case .multicastRouter: return UInt64(port.multicastRouter)
    default: return 0
    }
  }

  /// Writes a setting.
  static func write(
    _ directory: String,
    _ file: String,
    _ text: String,
    _ device: NetworkDevice,
    for process: Process
  ) throws(Errno) {
    guard let names = list(directory, device), names.contains(file) else { throw .noSuchFile }
    let digits = text.hasPrefix("0x") ? text.dropFirst(2) : text[...]
    guard let value = UInt64(digits, radix: text.hasPrefix("0x") ? 16 : 10) else {
      throw .invalidArgument
    }
    do throws(LinkError) {
      if directory == "bridge", let bridge = device as? BridgeDevice {
        if file == "flush" {
          bridge.flushLearned()
        } else if file == "group_fwd_mask" {
          try bridge.set(.groupForwardMask, to: value)
        } else if let option = bridgeSettings[file] {
          if option == .stpState, value != 0 {
            process.refuse("the spanning tree is not modelled")
          }
          try bridge.set(option, to: value)
        } else {
          throw LinkError(.notPermitted)
        }
      } else if directory == "brport", let port = device.bridgePort {
        if file == "flush" {
          port.bridge.removeEntries {
            $0.port === port && $0.flags.isDisjoint(with: [.static, .local])
          }
        } else if let option = portSettings[file] {
          try port.set(option, to: value)
        } else {
          throw LinkError(.notPermitted)
        }
      }
    } catch {
      throw Errno(rawValue: error.errno.rawValue) ?? .invalidArgument
    }
  }
}
