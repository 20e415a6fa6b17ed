import HopyardSimulator
import HopyardWire

/// Prints what a kind of device has of its own, as `ip -d link` does.
struct LinkDetailsPrinter {
  let options: IpOptions

  func print(_ device: NetworkDevice, _ output: inout IpOutput) {
    switch device {
    case let bridge as BridgeDevice:
      output.openObject("info_data")
      print(bridge, &output)
      output.closeObject()
    case let vlan as VLANDevice:
      output.openObject("info_data")
      print(vlan, &output)
      output.closeObject()
    case let macvlan as MacvlanDevice:
      output.openObject("info_data")
      print(macvlan, &output)
      output.closeObject()
    case let vxlan as VXLANDevice:
      output.openObject("info_data")
      print(vxlan, &output)
      output.closeObject()
    case let tunnel as IPIPDevice:
      output.openObject("info_data")
      print(tunnel, &output)
      output.closeObject()
    default: break
    }
  }

  private func print(_ bridge: BridgeDevice, _ output: inout IpOutput) {
    func number(_ option: BridgeOption, json: String? = nil) {
      let value = bridge[option]
      output.field(
        json ?? option.rawValue,
        .unsigned(value),
        text: "\(option.rawValue) \(value) "
      )
    }
    func zero(_ name: String) { output.field(name, .number(0), text: "\(name) 0 ") }
    func timer(_ name: String) { output.field(name, .raw("0.00"), text: "\(name)    0.00 ") }
    for option in [
      BridgeOption.forwardDelay, .helloTime, .maximumAge, .ageingTime, .stpState, .priority,
      .vlanFiltering,
    ] { number(option) }
    let tag = bridge.vlanProtocol == 0x88a8 ? "802.1ad" : "802.1Q"
    output.field("vlan_protocol", tag, text: "vlan_protocol \(tag) ")
    let identifier = Self.identifier(of: bridge)
    output.field("bridge_id", identifier, text: "bridge_id \(identifier) ")
    output.field("root_id", identifier, text: "designated_root \(identifier) ")
    for name in ["root_port", "root_path_cost", "topology_change", "topology_change_detected"] {
      zero(name)
    }
    for name in ["hello_timer", "tcn_timer", "topology_change_timer", "gc_timer"] { timer(name) }
    for option in [BridgeOption.vlanDefaultPVID, .vlanStatsEnabled, .vlanStatsPerPort] {
      number(option)
    }
    let mask = String(bridge.groupForwardMask, radix: 16)
    output.field(
      "group_fwd_mask",
      mask == "0" ? "0" : "0x\(mask)",
      text: "group_fwd_mask \(mask == "0" ? "0" : "0x\(mask)") "
    )
    output.field("group_addr", "01:80:c2:00:00:00", text: "group_address 01:80:c2:00:00:00 ")
    for option in [
      BridgeOption.multicastSnooping, .noLinkLocalLearning, .multicastVLANSnooping,
      .multicastRouter, .multicastQueryUsesAddress, .multicastQuerier, .multicastHashElasticity,
      .multicastHashMaximum,
    ] { number(option) }
    number(.multicastLastMemberCount, json: "mcast_last_member_cnt")
    number(.multicastStartupQueryCount, json: "mcast_startup_query_cnt")
    number(.multicastLastMemberInterval, json: "mcast_last_member_intvl")
    number(.multicastMembershipInterval, json: "mcast_membership_intvl")
    number(.multicastQuerierInterval, json: "mcast_querier_intvl")
    number(.multicastQueryInterval, json: "mcast_query_intvl")
    number(.multicastQueryResponseInterval, json: "mcast_query_response_intvl")
    number(.multicastStartupQueryInterval, json: "mcast_startup_query_intvl")
    for option in [
      BridgeOption.multicastStatsEnabled, .multicastIGMPVersion, .multicastMLDVersion,
      .callsIPTables, .callsIP6Tables, .callsARPTables,
    ] { number(option) }
  }

  /// A bridge's identifier: its priority and address.
  static func identifier(of bridge: BridgeDevice) -> String {
    let digits = String(bridge.bridgePriority, radix: 16)
    let parts = bridge.mac.description
    return String(repeating: "0", count: 4 - digits.count) + digits + "." + parts
  }

  func print(_ port: BridgePort, _ output: inout IpOutput) {
    func flag(_ name: String, _ flag: BridgePortFlags, json: Bool = true) {
      let isOn = port.flags.contains(flag)
      if json {
        output.field(name, .bool(isOn), text: "\(name) \(isOn ? "on" : "off") ")
      } else {
        output.text("\(name) \(isOn ? "on" : "off") ")
      }
    }
    func timer(_ name: String) { output.field(name, .raw("0.00"), text: "\(name)    0.00 ") }
    output.field("state", port.state.name, text: "state \(port.state.name) ")
    output.field("priority", .number(Int64(port.priority)), text: "priority \(port.priority) ")
    output.field("cost", .number(Int64(port.cost)), text: "cost \(port.cost) ")
    flag("hairpin", .hairpin)
    flag("guard", .bpduGuard)
    flag("root_block", .rootBlock)
    flag("fastleave", .fastLeave)
    flag("learning", .learning)
    flag("flood", .flood)
    let identifier = UInt32(port.priority) << 10 | UInt32(port.number)
    let id = "0x\(String(identifier, radix: 16))"
    output.field("id", id, text: "port_id \(id) ")
    let number = "0x\(String(port.number, radix: 16))"
    output.field("no", number, text: "port_no \(number) ")
    output.field(
      "designated_port",
      .number(Int64(identifier)),
      text: "designated_port \(identifier) "
    )
    output.field("designated_cost", .number(0), text: "designated_cost 0 ")
    let bridge = Self.identifier(of: port.bridge)
    output.field("bridge_id", bridge, text: "designated_bridge \(bridge) ")
    output.field("root_id", bridge, text: "designated_root \(bridge) ")
    for name in ["hold_timer", "message_age_timer", "forward_delay_timer"] { timer(name) }
    output.field("topology_change_ack", .number(0), text: "topology_change_ack 0 ")
    output.field("config_pending", .number(0), text: "config_pending 0 ")
    flag("proxy_arp", .proxyARP)
    flag("proxy_arp_wifi", .proxyARPWiFi)
    output.field(
      "multicast_router",
      .number(Int64(port.multicastRouter)),
      text: "mcast_router \(port.multicastRouter) "
    )
    flag("mcast_fast_leave", .fastLeave, json: false)
    flag("mcast_flood", .multicastFlood)
    flag("bcast_flood", .broadcastFlood)
    flag("mcast_to_unicast", .multicastToUnicast)
    flag("neigh_suppress", .neighbourSuppress)
    let mask = String(port.groupForwardMask, radix: 16)
    let shown = mask == "0" ? "0" : "0x\(mask)"
    output.field("group_fwd_mask", shown, text: "group_fwd_mask \(shown) ")
    output.field("group_fwd_mask_str", "0x\(mask)", text: "group_fwd_mask_str 0x\(mask) ")
    flag("vlan_tunnel", .vlanTunnel)
    flag("isolated", .isolated)
    flag("locked", .locked)
  }

  private func print(_ vlan: VLANDevice, _ output: inout IpOutput) {
    let tag = vlan.vlanProtocol == 0x88a8 ? "802.1ad" : "802.1Q"
    output.field("protocol", tag, text: "protocol \(tag) ")
    output.field("id", .number(Int64(vlan.identifier)), text: "id \(vlan.identifier) ")
    let hasFlags = !vlan.shownFlags.isEmpty
    output.openArray("flags", text: hasFlags ? "<" : "")
    for (index, name) in vlan.shownFlags.enumerated() {
      output.element(.string(name), text: index == 0 ? name : ",\(name)")
    }
    output.closeArray(text: hasFlags ? "> " : "")
    let ingress = vlan.ingressPriorities.filter { $0.to != 0 }
      .map { (UInt64($0.from), UInt64($0.to)) }
    let egress = vlan.egressPriorities.filter { $0.to != 0 }
      .sorted { ($0.from & 0xf) < ($1.from & 0xf) }
      .map { (UInt64($0.from), UInt64($0.to)) }
    printMap("ingress_qos", "ingress-qos-map", ingress, &output)
    printMap("egress_qos", "egress-qos-map", egress, &output)
  }

  private func printMap(
    _ json: String,
    _ name: String,
    _ map: [(UInt64, UInt64)],
    _ output: inout IpOutput
  ) {
    guard !map.isEmpty else { return }
    output.text(options.lineEnd)
    output.openArray(json, text: "      \(name) { ")
    for (from, to) in map {
      output.openObject()
      output.field("from", .unsigned(from), text: "\(from)")
      output.field("to", .unsigned(to), text: ":\(to) ")
      output.closeObject()
    }
    output.closeArray(text: "} ")
  }

  private func print(_ macvlan: MacvlanDevice, _ output: inout IpOutput) {
    output.field("mode", macvlan.mode.name, text: "mode \(macvlan.mode.name) ")
    if macvlan.leavesPromiscuity { output.text("nopromisc ") }
    output.field("bcqueuelen", .number(1000), text: "bcqueuelen 1000 ")
    output.field("usedbcqueuelen", .number(1000), text: "usedbcqueuelen 1000 ")
    guard !macvlan.sources.isEmpty else { return }
    output.field(
      "macaddr_count",
      .number(Int64(macvlan.sources.count)),
      text: "remotes (\(macvlan.sources.count)) "
    )
    output.openArray("macaddr_data")
    for source in macvlan.sources {
      output.element(.string(source.description), text: "\(source) ")
    }
    output.closeArray()
  }
}
